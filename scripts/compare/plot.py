"""The comparison as one self-contained SVG that reads on a light and on a dark page."""

import html

import cells

WIDTH, LABEL, BAR, ROW, HEAD = 900, 250, 520, 20, 44
STYLE = """
  text { font: 12px sans-serif; fill: #1f2328; }
  .head { font-weight: bold; font-size: 14px; }
  .page { fill: #ffffff; }
  .ours { fill: #0969da; } .naive { fill: #9a6700; } .peer { fill: #8c959f; }
  .floor { stroke: #cf222e; stroke-width: 2; stroke-dasharray: 4 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .page { fill: #0d1117; }
    .ours { fill: #58a6ff; } .naive { fill: #d29922; } .peer { fill: #6e7681; } .floor { stroke: #ff7b72; }
  }
"""


def style_of(who):
    return "ours" if cells.is_ours(who) else "naive" if cells.is_naive(who) else "peer"


def panel(figures, group, top):
    """One group: a bar for each, longest first; the dashed line is the device floor of the longest of ours."""
    unit = "MB/s" if group.startswith("stream") else "records/s"
    rated = [(figures.rate(group, who) or 0, who) for who in figures.who(group)]
    rated = sorted((pair for pair in rated if pair[0] > 0), reverse=True)
    lines = [f'<text class="head" x="10" y="{top + 24}">{html.escape(group)}: {unit}</text>']
    ours = [(rate, who) for rate, who in rated if cells.is_ours(who)]
    floors = [rate / figures.floor_ratio(group, who) for rate, who in ours if figures.floor_ratio(group, who)]
    longest = max([rate for rate, _ in rated] + floors, default=1)
    y = top + HEAD - 8
    for rate, who in rated:
        mark = " ~" if figures.disturbed(group, who) else ""
        width = max(1, rate / longest * BAR)
        lines.append(f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{html.escape(who)}</text>')
        lines.append(f'<rect class="{style_of(who)}" x="{LABEL}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}"/>')
        lines.append(f'<text x="{LABEL + width + 6:.1f}" y="{y + 13}">{rate:,.0f}{mark}</text>')
        y += ROW
    if floors:
        x = LABEL + floors[0] / longest * BAR
        lines.append(f'<line class="floor" x1="{x:.1f}" x2="{x:.1f}" y1="{top + HEAD - 8}" y2="{y}"/>')
    return lines, y + 8


def svg(figures, title):
    lines, top = [f'<text class="head" x="10" y="22">{html.escape(title)}</text>',
                  '<text x="10" y="40">blue: corewal; amber: naive; grey: engines; dashed: device floor; '
                  '~ disturbed by other work</text>'], 48
    for group in figures.groups():
        more, top = panel(figures, group, top)
        lines += more
    size = f'width="{WIDTH}" height="{top}"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH} {top}">',
        f"<style>{STYLE}</style>", f'<rect class="page" {size}/>', *lines, "</svg>", "",
    ])
