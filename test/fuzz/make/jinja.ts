import type { Dice } from "./dice.ts";

/** Jinja out of a small grammar: mostly valid, now and then hungry, endless, or cut off. */
export function jinja(dice: Dice): string {
  const whole = block(dice, 3);
  // As many items as a list may have, and what is made of each of them, are most of the time: seldom is enough.
  const text = dice.chance(0.25) ? whole : whole.replaceAll("range(60000)", "range(600)");
  return dice.chance(0.1) ? text.slice(0, dice.below(text.length + 1)) : text;
}

function block(dice: Dice, depth: number): string {
  return Array.from({ length: dice.few() }, () => statement(dice, depth)).join("");
}

function statement(dice: Dice, depth: number): string {
  const inner = (): string => (depth <= 0 ? "x" : block(dice, depth - 1));
  switch (dice.below(11)) {
    case 0:
      return `{% for m in ${expression(dice, depth)} %}${inner()}{% endfor %}`;
    case 1:
      return `{% if ${expression(dice, depth)} %}${inner()}{% else %}${inner()}{% endif %}`;
    case 2:
      return `{% set x = ${expression(dice, depth)} %}`;
    case 3:
      return `{% set x = x + x %}{% set x = x ~ x %}`;
    case 4:
      return `{% macro f(a) %}${inner()}{{ f(a) }}{% endmacro %}{{ f(1) }}`;
    case 5:
      return `{% filter ${dice.pick(FILTERS)} %}${inner()}{% endfilter %}`;
    case 6:
      return dice.pick([
        "{%",
        "{{",
        "{#",
        "%}",
        "}}",
        "{% endfor %}",
        "{% raw %}{{{% endraw %}",
        "{%- break -%}",
        "{% generation %}",
        "{% call f() %}x{% endcall %}",
      ]);
    case 7:
      return "{% for message in messages %}<|{{ message.role }}|>{{ message['content'] }}<|end|>{% endfor %}";
    default:
      return `{{ ${expression(dice, depth)} }}`;
  }
}

const FILTERS = [
  "upper",
  "trim",
  "length",
  "list",
  "first",
  "last",
  "reverse",
  "sort",
  "join",
  "join('abc')",
  "tojson",
  "tojson(indent=2)",
  "tojson(indent=100000)",
  "indent(3)",
  "indent(1000000000)",
  "indent(-1)",
  "replace('', 'abc')",
  "replace('a', 'b')",
  "string",
  "int",
  "float",
  "abs",
  "items",
  "dictsort",
  "selectattr('role')",
  "rejectattr('role', 'equalto', 'user')",
  "map(attribute='content')",
  "map('upper')",
  "default('x')",
  "unique",
  "capitalize",
  "title",
  "safe",
  "escape",
  "most_frequent",
  "choice",
  "format",
  "batch(2)",
  "sum",
  "random",
  "nothing",
];
const NAMES = [
  "messages",
  "x",
  "m",
  "bos_token",
  "add_generation_prompt",
  "loop",
  "loop.index",
  "namespace(a=1)",
  "text",
  "label",
  "answer_choices",
  "self",
  "__proto__",
  "none",
  "true",
];
const ATOMS = [
  "''",
  "'a'",
  "'{{ 7*7 }}'",
  "0",
  "-1",
  "1",
  "1.5",
  "2147483648",
  "9007199254740993",
  "1e308",
  "[]",
  "[1,[2,[3]]]",
  "{}",
  "{'a': 1, 'a': 2}",
  "(1,)",
  "'a' * 1000000000",
  "[0] * 1000000000",
];
const MEMBERS = [
  ".content",
  "['role']",
  "[0]",
  "[-1]",
  "[::-1]",
  "[0:10000000000]",
  "[::0]",
  ".constructor",
  ".__proto__",
  "['__proto__']",
  ".upper()",
  ".split('')",
  ".strip().replace('a','aaaa')",
  ".items()",
  ".append(1)",
  ".__class__.__mro__",
];
const CALLS = [
  "range(3)",
  "range(60000)",
  "range(1000000000)",
  "range(0, -5, -1)",
  "range(0, 5, 0)",
  "range('a')",
  "range()",
  "raise_exception('no')",
  "strftime_now('%Y-%m-%d')",
  "strftime_now('%Q')",
  "zip([1],[2])",
  "choice([1])",
  "most_frequent([1,1,2])",
  "dict(a=1)",
  "undefined()",
  "namespace()",
];

function expression(dice: Dice, depth: number): string {
  if (depth <= 0) return dice.pick(dice.chance(0.5) ? NAMES : ATOMS);
  const inner = (): string => expression(dice, depth - 1);
  switch (dice.below(9)) {
    case 0:
      return `${inner()} ${dice.pick(["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "and", "or", "in", "not in", "is"])} ${inner()}`;
    case 1:
    case 2:
      return `${inner()} | ${dice.pick(FILTERS)}`;
    case 3:
      return `${inner()}${dice.pick(MEMBERS)}`;
    case 4:
      return dice.pick(CALLS);
    case 5:
      return `(${inner()} if ${inner()} else ${inner()})`;
    case 6:
      return `${inner()} is ${dice.pick(["defined", "string", "mapping", "none", "iterable", "odd", "equalto 1", "nothing"])}`;
    case 7:
      return dice.chance(0.02) ? `${"(".repeat(5000)}1${")".repeat(5000)}` : `not ${inner()}`;
    default:
      return dice.pick(dice.chance(0.5) ? NAMES : ATOMS);
  }
}
