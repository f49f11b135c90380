/**
 * The script of a run's page: search, selector and filter of the samples. Without it all is there to be read, and the controls stay hidden.
 * It reads what the page holds and writes nothing but `hidden`, `open` and one number.
 */
export const SAMPLES_SCRIPT = `"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const controls = document.querySelector(".controls");
  const [search, method, outcome] = ["search", "method", "outcome"].map((id) => document.getElementById(id));
  const count = document.querySelector(".count");
  const questions = all(".question").map((element) => ({ element, text: element.textContent.toLowerCase() }));
  const scoreOf = (question, condition) => {
    const own = all("li", question).find((one) => one.dataset.c === condition);
    return own === undefined || own.dataset.s === undefined ? NaN : Number(own.dataset.s);
  };
  const fits = ({ element, text }) => {
    if (!text.includes(search.value.trim().toLowerCase())) return false;
    if (outcome.value === "failed") return element.dataset.failed === "1";
    const ceiling = scoreOf(element, "0");
    const own = scoreOf(element, method.value === "" ? method.dataset.main : method.value);
    if (outcome.value === "lost") return own < ceiling;
    if (outcome.value === "gained") return own > ceiling;
    return true;
  };
  const apply = () => {
    let shown = 0;
    for (const question of questions) {
      const hit = fits(question);
      question.element.hidden = !hit;
      if (hit) shown++;
    }
    for (const passage of all(".passage")) passage.hidden = all(".question", passage).every((one) => one.hidden);
    count.textContent = shown + " of " + questions.length + " questions";
  };
  const choose = () => {
    const chosen = method.value;
    for (const more of all(".more")) {
      const items = all("[data-c]", more);
      for (const item of items) item.hidden = chosen !== "" && item.dataset.c !== chosen;
      more.open = chosen !== "" && items.some((item) => !item.hidden);
      more.hidden = chosen !== "" && !more.open;
    }
    for (const kept of all("details.kept")) kept.open = kept.dataset.c === (chosen === "" ? method.dataset.main : chosen);
    apply();
  };
  controls.hidden = false;
  search.addEventListener("input", apply);
  outcome.addEventListener("change", apply);
  method.addEventListener("change", choose);
  apply();
})();
`;
