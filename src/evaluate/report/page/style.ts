import { MARK_STYLE } from "../../../util/html/marked-text.ts";
import { TABLE_STYLE } from "../../../util/html/table.ts";

/** Style of report pages. */
export const REPORT_STYLE = [
  TABLE_STYLE,
  MARK_STYLE,
  "body{max-width:88rem}",
  "h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0;overflow-wrap:anywhere}",
  "h2{font-size:1.2rem;margin:2.2rem 0 .5rem;padding-top:.6rem;border-top:1px solid var(--line)}",
  "h3{font-size:1.02rem;margin:1.6rem 0 .4rem}h4{font-size:1rem;margin:0}",
  "p{margin:.4rem 0;max-width:60rem}.quiet{color:var(--quiet);font-size:.9rem}",
  "nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.6rem 0}",
  ".note{border-left:3px solid rgb(var(--mark));background:var(--raised);padding:.4rem .8rem;margin:.6rem 0}",
  // Plots are drawn twice, for wide and for narrow pages: text in them keeps its size.
  ".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,35rem),1fr));gap:1rem;margin:.75rem 0}",
  "figure{margin:0;min-width:0;border:1px solid var(--line);border-radius:6px;overflow:hidden}",
  "figure svg{display:block;width:100%;height:auto}.narrow{display:none}.broad{grid-column:1/-1}",
  "@media (max-width:40rem){.narrow{display:block}.wide{display:none}}",
  ".controls{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:end;background:var(--raised);border:1px solid var(--line);" +
    "border-radius:6px;padding:.6rem .8rem;position:sticky;top:0;z-index:1}",
  ".controls[hidden]{display:none}.controls label{display:flex;flex-direction:column;font-size:.8rem;color:var(--quiet);flex:1 1 11rem}",
  ".controls input,.controls select{font:inherit;font-size:.95rem;color:var(--text);background:var(--ground);border:1px solid var(--line);" +
    "border-radius:4px;padding:.25rem .4rem;min-width:0;width:100%}",
  ".count{font-size:.85rem;color:var(--quiet);flex:1 0 100%}",
  "details{margin:.4rem 0}summary{color:var(--link);overflow-wrap:anywhere}",
  ".text{white-space:pre-wrap;overflow-wrap:anywhere;color:var(--quiet);line-height:1.7;margin:.4rem 0;padding:.6rem .8rem;" +
    "border:1px solid var(--line);border-radius:6px;max-height:28rem;overflow-y:auto}",
  ".question{margin:.8rem 0;padding:.6rem .8rem;border:1px solid var(--line);border-radius:6px}",
  ".question>h4,.gold,.said{white-space:pre-wrap;overflow-wrap:anywhere}",
  ".gold{margin:.2rem 0 .5rem}.gold b{font-weight:600}",
  ".answers{list-style:none;margin:0;padding:0}",
  ".answers>li{display:grid;grid-template-columns:minmax(8rem,13rem) 1fr auto;gap:.1rem .8rem;padding:.35rem 0;border-top:1px solid var(--line)}",
  ".who{font-weight:600;overflow-wrap:anywhere}.figures{color:var(--quiet);font-size:.85rem;text-align:right;font-variant-numeric:tabular-nums}",
  ".none{color:var(--quiet);font-style:italic}",
  "@media (max-width:40rem){.answers>li{grid-template-columns:auto minmax(6rem,1fr)}.said{grid-column:1/-1;grid-row:2}.figures{grid-column:2;grid-row:1}}",
  "dl{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:.2rem 1rem;font-size:.92rem}",
  "dt{color:var(--quiet)}dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}",
  "@media (max-width:40rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}",
  "@media (max-width:40rem){.controls{position:static}}",
  "[hidden]{display:none!important}",
].join("\n");
