import { type LoadedAdapter, attachAdapter } from "../../compress/loaded-adapter.ts";
import { loadAdapter } from "../../cache/load-adapter.ts";
import { LanguageModel } from "../../models/language-model.ts";
import { loadModel } from "../../models/load-model.ts";
import type { Precision } from "../../models/precision/precision.ts";
import type { Device } from "../../runtime/options.ts";
import { KvDistillError } from "../../util/errors.ts";
import { PACKAGE_NAME_AND_VERSION } from "../../util/version.ts";
import type { OpenRequest, WorkRequest } from "../sides/protocol.ts";
import { type Done, type Measure, serve } from "../sides/serve.ts";
import { answering } from "./answers.ts";
import { compressing } from "./compress.ts";
import { type DecodeState, decoding } from "./decode.ts";
import { type FirstTokenState, firstToken } from "./first-token.ts";
import { gemm } from "./gemm.ts";
import { prefill, type PrefillState } from "./prefill.ts";
import { type TrainingSide, trainingSide } from "./train.ts";

/** This package as a process that the bench measures. Models and graphs are loaded when first needed and kept. */
class OurSide {
  readonly versions = { node: process.versions.node, "kv-distill": PACKAGE_NAME_AND_VERSION };
  private opened: OpenRequest | undefined;
  private loadedModel: LanguageModel | undefined;
  private loadedAdapter: LoadedAdapter | undefined;
  private training: TrainingSide | undefined;
  private readonly prefillState: PrefillState = {};
  private readonly decodeState: DecodeState = {};
  private readonly firstTokenState: FirstTokenState = {};

  async open(request: OpenRequest): Promise<void> {
    this.opened = request;
    // A device that is missing is told now.
    await this.model();
  }

  async work(request: WorkRequest, measure: Measure): Promise<Done> {
    switch (request.work) {
      case "train":
        this.training ??= await trainingSide(await this.model(), request);
        return this.training.step(request, measure);
      case "prefill":
        return prefill(await this.model(), request, this.prefillState, measure);
      case "compress":
        return compressing(await this.model(), await this.adapter(), request, measure);
      case "decode":
        return decoding(await this.model(), () => this.adapter(), request, this.decodeState, measure);
      case "first-token": {
        const { scratch } = this.settings();
        return firstToken(await this.model(), () => this.adapter(), request, scratch, this.firstTokenState, measure);
      }
      case "answers":
        return answering(await this.model(), request, measure);
      case "gemm":
        return gemm(await this.model(), request, measure);
    }
  }

  async close(): Promise<void> {
    this.loadedAdapter?.release();
    await this.loadedModel?.close();
  }

  private settings(): OpenRequest {
    if (this.opened === undefined) throw new KvDistillError("bad-argument", "nothing was opened");
    return this.opened;
  }

  private async model(): Promise<LanguageModel> {
    const { model, device, threads, precision, profile } = this.settings();
    this.loadedModel ??= await loadModel(model.folder, {
      device: device as Device,
      precision: precision as Precision,
      threads,
      ...(profile === null ? {} : { profile }),
    });
    return this.loadedModel;
  }

  private async adapter(): Promise<LoadedAdapter> {
    const model = await this.model();
    const { adapter } = this.settings();
    this.loadedAdapter ??= await attachAdapter(model, await loadAdapter(adapter, { expectModel: model.files }));
    return this.loadedAdapter;
  }
}

await serve(new OurSide());
