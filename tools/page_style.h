// tools/page_style.h: the style sheet of the page that wal-bench --html writes.
//
// Light and dark by what the reader's system prefers, light on paper; one column on a phone, where
// the narrow drawing of each chart takes the place of the wide one.
#ifndef COREWAL_TOOLS_PAGE_STYLE_H_
#define COREWAL_TOOLS_PAGE_STYLE_H_

namespace corewal {

inline constexpr char kPageStyle[] = R"(
:root { color-scheme: light dark;
  --paper: #fbfbf9; --card: #ffffff; --ink: #1c2024; --soft: #5c646c; --rule: #e3e5e2;
  --grid: #eceeeb; --good: #0a7d4b; --warn: #8a5300; --warnbg: #fff6e3;
  --s0: #1466b8; --s1: #c8501e; --s2: #1f8a4c; --s3: #7a3fc0; --s4: #b3256b; --s5: #0f7f8c; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171a; --card: #1b1f23; --ink: #e6e9eb; --soft: #9aa4ad; --rule: #2e343a;
  --grid: #272c31; --good: #5fd39b; --warn: #f2c779; --warnbg: #2c2618;
  --s0: #6cb2f5; --s1: #f39a6b; --s2: #6fd498; --s3: #bd94f5; --s4: #f284b6; --s5: #62cbd6; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.2rem 1.2rem 3rem; }
h1 { font-size: 1.55rem; line-height: 1.25; margin: 0 0 .2rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .7rem; }
h3 { font-size: .95rem; margin: 1.2rem 0 .2rem; font-weight: 600; }
p { margin: .3rem 0 .8rem; }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
section.run, section.card { background: var(--card); border: 1px solid var(--rule);
  border-radius: .6rem; padding: 1.1rem 1.2rem 1.2rem; margin: 1rem 0; }
section.run > h2 { margin-top: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr));
  gap: .9rem 1.2rem; margin: .9rem 0 .4rem; padding: 0; }
.figures div { min-width: 0; }
.figures dt { color: var(--soft); font-size: .8rem; }
.figures dd { margin: 0; font-size: 1.25rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.figures dd small { font-size: .8rem; font-weight: 400; color: var(--soft); display: block; }
.key { display: inline-block; width: .75rem; height: .75rem; border-radius: .2rem;
  margin-right: .45rem; background: var(--c); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .2rem 0 .4rem; padding: 0;
  list-style: none; font-size: .875rem; }
.scroll { overflow-x: auto; } .scroll td:first-child { white-space: nowrap; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .38rem .8rem .38rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; }
th { font-weight: 600; color: var(--soft); font-size: .8rem; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td:last-child, th:last-child { padding-right: 0; }
.facts th { width: 1%; padding-right: 1.4rem; }
.facts td { overflow-wrap: anywhere; }
.note { background: var(--warnbg); color: var(--warn); border-radius: .4rem; padding: .55rem .8rem;
  margin: .5rem 0; font-size: .9rem; }
.bad { color: var(--warn); font-weight: 600; }
details { margin-top: .8rem; }
summary { cursor: pointer; color: var(--soft); font-size: .875rem; }
code { font: .86em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; margin: .2rem 0 .3rem; overflow: visible; }
svg.narrow { display: none; }
svg text { font-size: 12px; fill: var(--soft); font-family: inherit; }
svg .end { text-anchor: end; } svg .mid { text-anchor: middle; }
svg .grid { stroke: var(--grid); stroke-width: 1; fill: none; }
svg .axis { stroke: var(--soft); stroke-width: 1; fill: none; }
svg .border { stroke: var(--rule); stroke-width: 1; stroke-dasharray: 2 3; fill: none; }
svg .mark { stroke: var(--ink); stroke-width: 1; stroke-opacity: .55; fill: none; }
svg .floor { stroke: var(--soft); stroke-width: 1.3; stroke-dasharray: 6 4; fill: none; }
svg .floorlabel { fill: var(--soft); paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
svg .curve { stroke: var(--c); stroke-width: 2; fill: none; stroke-linejoin: round; }
svg .band { fill: var(--c); fill-opacity: .13; stroke: none; }
svg .bar { fill: var(--c); fill-opacity: .3; } svg .dot { fill: var(--c); }
svg .median { stroke: var(--c); stroke-width: 3; }
svg .value { fill: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; }
svg .name { fill: var(--ink); }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); }
.s3 { --c: var(--s3); } .s4 { --c: var(--s4); } .s5 { --c: var(--s5); }
footer { margin-top: 2rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 40rem) {
  main { padding: 1.3rem .8rem 2rem; }
  section.run, section.card { padding: .9rem .8rem; }
  svg.wide { display: none; } svg.narrow { display: block; }
  .figures { grid-template-columns: 1fr 1fr; }
  .facts th, .facts td { display: block; width: auto; border-bottom: 0; padding: .1rem 0; }
  .facts td { border-bottom: 1px solid var(--rule); padding-bottom: .45rem; } }
@media print {
  :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444;
    --rule: #ccc; --grid: #e4e4e4; --warn: #6b4000; --warnbg: #fff;
    --s0: #1466b8; --s1: #c8501e; --s2: #1f8a4c; --s3: #7a3fc0; --s4: #b3256b; --s5: #0f7f8c; }
  body { font-size: 11pt; } main { max-width: none; padding: 0; }
  section.run, section.card { border: 0; padding: 0; break-inside: avoid; }
  h2, h3 { break-after: avoid; } svg, table, .figures { break-inside: avoid; }
  .scroll { overflow: visible; } details:not([open]) { display: none; } }
)";

}  // namespace corewal

#endif  // COREWAL_TOOLS_PAGE_STYLE_H_
