import { afterAll, beforeAll, expect, test } from "vitest";
import { SPAN_END, SPAN_START } from "../../src/models/marked-span.ts";
import { givenText, templateText } from "../../src/models/passage-prompt.ts";
import { type Encoder, localEncoder } from "../../src/server/encoder/encoder.ts";
import { threadedEncoder } from "../../src/server/encoder/threaded-encoder.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { tinyModel } from "../models/tiny-models.ts";

const { model } = useTinyModel("llama");
let threaded: Encoder;
let local: Encoder;
beforeAll(() => {
  threaded = threadedEncoder(tinyModel("llama"), model().files.tokenizer);
  local = localEncoder(model().files.tokenizer);
});
afterAll(() => threaded.close());

const long = "the cat sat <|end|> on the mat in 2019 ".repeat(300);

test("long texts have the ids that short ones have, special tokens letters, several at once", async () => {
  const texts = ["the cat", long, `${long} and more`];
  const partsOf = (text: string) => [templateText("<|begin|>"), givenText(text), templateText("<|end|>")];
  const [got, wanted] = await Promise.all(
    [threaded, local].map((encoder) => Promise.all(texts.map((text) => encoder.parts(partsOf(text))))),
  );
  expect(got).toEqual(wanted);
});

test("long marked texts too; what is wrong with them is told as it is here", async () => {
  const marked = [givenText(`${long}${SPAN_START}${long}${SPAN_END} then`)];
  expect(await threaded.marked(marked)).toEqual(await local.marked(marked));
  const failed = (encoder: Encoder): Promise<unknown> =>
    encoder.marked([givenText(long)]).then(
      () => undefined,
      (error: unknown) => error,
    );
  const [got, wanted] = [await failed(threaded), await failed(local)];
  expect(got).toMatchObject({ code: "bad-argument", message: (wanted as Error).message });
});
