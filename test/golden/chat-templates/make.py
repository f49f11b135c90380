"""What transformers' `apply_chat_template` makes of the templates in this folder.

Writes cases.json: per template and conversation the rendered text, or null where the template refuses it.
smollm2.jinja is SmolLM2-135M-Instruct's (Apache-2.0); the others use what the templates of their model families use.
Run: python test/golden/chat-templates/make.py   (needs transformers)
"""

import datetime
import json
from pathlib import Path

import transformers.utils.chat_template_utils as utils
from jinja2 import TemplateError
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
NOW = datetime.datetime(2025, 3, 7, 4, 5, 6)

user, assistant, system = (lambda content, role=role: {"role": role, "content": content} for role in ("user", "assistant", "system"))
CONVERSATIONS = [
    [user("Hello")],
    [system("Be brief."), user("  spaces around \n")],
    [user("Hi"), assistant("Hello!"), user("Bye")],
    [system("  S\n"), user("1"), assistant(" 2 "), user("3"), assistant("4")],
    [user("a"), user("b")],
    [assistant("first")],
    [system("only system")],
    [user('"quotes" & <tags> {{ not a template }} {% nor this %} \\n \\ \' 日本語 👍🏽')],
    [user("q"), assistant("<think>\nbecause\n</think>\n\nanswer"), user("q2"), assistant("<think>x</think>y")],
    [user("q"), assistant("\n\nanswer")],
    [user("<reply>r</reply>"), assistant("x")],
    [user(""), assistant(""), user("\n")],
    [user("line\r\nline\ttab"), {"role": "tool", "content": "{\"a\": 1}"}],
]


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def main():
    utils.datetime = Clock
    tok = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>")
    out = []
    for path in sorted(HERE.glob("*.jinja")):
        for messages in CONVERSATIONS:
            for generate in (False, True):
                try:
                    text = tok.apply_chat_template(messages, chat_template=path.read_text(), add_generation_prompt=generate, tokenize=False)
                except TemplateError:
                    text = None
                out.append({"template": path.name, "messages": messages, "addGenerationPrompt": generate, "text": text})
    (HERE / "cases.json").write_text(json.dumps(out, ensure_ascii=True, indent=0))


main()
