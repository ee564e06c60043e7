"""The comparison as markdown: the targets, a table for each group, and how it was measured."""

import cells
import figures as figures_module
import targets


# What a group's name is followed by in its title.
TITLES = {
    "commit": f"clients, {cells.COMMIT_BYTES} bytes",
    "shards": f"on one disk, 16 records of {cells.COMMIT_BYTES} bytes in flight each",
    "roll": f"of segments, 1 client, {cells.COMMIT_BYTES} bytes",
}


def number(value):
    if value is None:
        return "-"
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    if value >= 1e4:
        return f"{value / 1e3:.1f} k"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(value):
    return "-" if value is None else f"{value:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def group_table(figures, group):
    best = figures.best_peer(group)
    head = ["who", "records/s", "MB/s", "p50 us", "p99 us", "CPU us/record", "records/sync", "x floor",
            "x best peer", "x naive group", "runs"]
    rows = []
    for who in sorted(figures.who(group), key=lambda who: -(figures.rate(group, who) or 0)):
        def median(key, who=who):
            return figures.median(group, who, key)
        records, syncs = median("records"), median("syncs")
        name = f"**{who}**" if cells.is_ours(who) else who
        rows.append([
            name + (" ~" if figures.disturbed(group, who) else ""),
            number(median("records_per_s")), number(median("mb_per_s")), number(median("p50_us")),
            number(median("p99_us")), number(median("cpu_us_per_record")),
            number(records / syncs if records and syncs else None),
            ratio(figures.floor_ratio(group, who)), ratio(figures.ratio(group, who, best)),
            ratio(figures.ratio(group, who, "raw-group")), str(len(figures.used(group, who))),
        ])
    more = TITLES.get(group.split()[0], "bytes")
    return f"#### {group} {more}\n\n" + table(head, rows)


def target_table(figures, recorded_counts):
    found = list(targets.all_targets(figures, recorded_counts))
    return table(["what", "target", "measured", "verdict"], [target.row() for target in found]), found


def section(title, figures, recorded_counts, facts):
    """A dated section: what RESULTS.md keeps of a run. Returns the text and the targets."""
    disturbed = sum(map(figures_module.is_disturbed, figures.rows))
    text, found = target_table(figures, recorded_counts)
    lines = [f"## {title}", ""]
    lines += [f"- {name}: {value}" for name, value in facts]
    lines += [
        f"- {len(figures.rows)} runs, {disturbed} of them disturbed by other work "
        f"({figures_module.DISTURBED_CPUS} CPUs or more); ~ marks what rests on disturbed runs only",
        "", "### Targets", "", text, "", "### Figures", "",
    ]
    lines.append("\n\n".join(group_table(figures, group) for group in figures.groups()))
    return "\n".join(lines) + "\n", found
