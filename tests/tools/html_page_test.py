#!/usr/bin/python3
"""The page of wal-bench --html in headless Chromium: it renders, nothing is wrong with it for the
browser, it loads nothing, and each number on it is that of the JSON.

Needs Debian's chromium, which `./dev test` installs. Runs in the runfiles tree.
"""

import html.parser
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

WAL_BENCH = os.path.abspath("tools/wal-bench")
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",
    "--hide-scrollbars",
]
SECONDS_MAX = 240  # for a browser on a machine that has much else to do


class PageParser(html.parser.HTMLParser):
    """What a test asks of a page."""

    def __init__(self, text):
        super().__init__()
        self.data = []  # (run, key, value, text)
        self.json_text = ""
        self.external = []
        self.scripts = 0
        self.svgs = 0
        self.text = ""
        self._inside = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in ("meta", "link", "img", "br"):
            pass
        elif tag == "data":
            self.data.append([int(attrs["data-run"]), attrs["data-key"], attrs["value"], ""])
            self._inside.append(tag)
        elif tag == "script":
            self.scripts += attrs.get("type") != "application/json"
            self._inside.append("json" if attrs.get("id") == "runs" else tag)
        elif tag in ("style", "title"):
            self._inside.append(tag)
        self.svgs += tag == "svg"
        for name in ("src", "href", "xlink:href", "action"):
            if name in attrs and not attrs[name].startswith(("data:", "#")):
                self.external.append(attrs[name])

    def handle_endtag(self, tag):
        if tag in ("data", "script", "style", "title") and self._inside:
            self._inside.pop()

    def handle_data(self, data):
        inside = self._inside[-1] if self._inside else ""
        if inside == "json":
            self.json_text += data
        elif inside == "data":
            self.data[-1][3] += data
        if inside not in ("json", "script", "style"):
            self.text += data


class HtmlPageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("chromium") is None:
            raise RuntimeError("chromium is not installed; apt-get install chromium")
        cls.folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        cls.root = cls.folder.name

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def bench(self, *flags):
        """Runs wal-bench; the page's path and the objects of its JSON file."""
        page, objects = os.path.join(self.root, "page.html"), os.path.join(self.root, "runs.json")
        result = subprocess.run(
            [WAL_BENCH, f"--dir={self.root}/log", "--html=" + page, "--json=" + objects, *flags],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.root,
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(objects, encoding="utf-8") as lines:
            return page, [json.loads(line) for line in lines]

    def chromium(self, page, *flags):
        profile = tempfile.mkdtemp(dir=self.root)
        result = subprocess.run(
            ["chromium", *CHROMIUM_FLAGS, "--user-data-dir=" + profile, *flags, "file://" + page],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_MAX,
            env={**os.environ, "HOME": profile},
        )
        shutil.rmtree(profile, ignore_errors=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def check_page(self, page, objects):
        """As the browser has it after rendering."""
        result = self.chromium(page, "--dump-dom")
        # Chromium logs much about the machine; CONSOLE is what the page is to blame for.
        self.assertNotRegex(result.stderr, "CONSOLE")
        dom = PageParser(result.stdout)
        self.assertEqual(dom.external, [], "it loads nothing")
        self.assertEqual(dom.scripts, 0, "it runs nothing")
        self.assertEqual(json.loads(dom.json_text), objects)
        seen = set()
        for run, key, value, text in dom.data:
            self.assertEqual(json.loads(value), objects[run][key], key)
            seen.add((run, key))
            self.check_text(key, objects[run][key], text)
        for run, members in enumerate(objects):
            self.assertLessEqual({(run, key) for key in members}, seen, "every key is on the page")
        return dom

    UNITS = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6, "MB/s": 1, "/s": 1, "M /s": 1e6, "": 1}

    def check_text(self, key, value, text):
        """The number that people read is the JSON's, to three digits."""
        match = re.fullmatch(r"([0-9][0-9 .]*[0-9]|[0-9]) ?(ns|us|ms|s|MB/s|M /s|/s|)", text)
        if match is None or not isinstance(value, (int, float)) or isinstance(value, bool):
            self.assertIn(text, (json.dumps(value), "null"), key) if match is None else None
            return
        shown = float(match[1].replace(" ", "")) * self.UNITS[match[2]]
        if key == "open_ms" and match[2]:
            shown /= 1e3
        self.assertAlmostEqual(shown, value, delta=max(abs(value) * 0.006, 0.005), msg=f"{key}: {text}")

    def test_one_run(self):
        page, objects = self.bench("--workload=commit", "--seconds=0.5", "--segment_mb=1")
        dom = self.check_page(page, objects)
        self.assertEqual(len(objects), 1)
        # Throughput, latency and ratio, each in two sizes.
        self.assertEqual(dom.svgs, 6)
        for words in ("Throughput over time", "Latency by percentile", "device floor", "kernel"):
            self.assertIn(words, dom.text)

    def test_a_comparison(self):
        page, objects = self.bench(
            "--workload=commit", "--compare=inflight=1,8", "--records=300", "--floor=off",
            "--segment_mb=1",
        )
        dom = self.check_page(page, objects)
        self.assertEqual([run["compared"] for run in objects], ["inflight=1", "inflight=8"])
        self.assertIn("inflight=1 beside inflight=8", dom.text)

    def test_names_from_outside_are_text(self):
        nasty = os.path.join(self.root, "<b>&\"x")
        with open(nasty, "w", encoding="utf-8") as lines:
            lines.write("one\ntwo\n")
        page, objects = self.bench("--input=" + nasty, "--floor=off", "--segment_mb=1")
        dom = self.check_page(page, objects)
        self.assertIn("<b>&\"x", dom.text)

    def test_it_is_drawn_light_dark_and_narrow(self):
        page, _ = self.bench("--workload=stream", "--mb=20", "--floor=off", "--segment_mb=1")
        sizes = set()
        for name, flags in {
            "light": ["--window-size=1000,1400"],
            "phone": ["--window-size=390,1400"],
            "dark": ["--window-size=1000,1400", "--blink-settings=preferredColorScheme=0"],
        }.items():
            picture = os.path.join(self.root, name + ".png")
            self.chromium(page, "--screenshot=" + picture, *flags)
            with open(picture, "rb") as png:
                head = png.read()
            self.assertEqual(head[:8], b"\x89PNG\r\n\x1a\n")
            self.assertGreater(len(head), 20_000, f"{name}: there is something on it")
            sizes.add(head)
        self.assertEqual(len(sizes), 3, "each looks different")


if __name__ == "__main__":
    unittest.main()
