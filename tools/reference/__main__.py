"""Write docs/reference and docs/llms.txt anew.  Run it: python3 dev.py reference [--check].

python3 dev.py reference            write what has changed
python3 dev.py reference --check    write nothing; say what is out of date, and fail if anything is
"""

import sys

from tools.reference.pages import ROOT, outdated


def main(words: list[str]) -> int:
    """Bring the files up to date, or say which are not."""
    if words not in ([], ["--check"]):
        print(f"python3 dev.py reference takes --check or nothing, not {' '.join(words)}", file=sys.stderr)
        return 2
    found = outdated()
    for path, text in found.items():
        if words:
            print(f"{path.relative_to(ROOT)} is out of date; run `python3 dev.py reference`")
        elif text is None:
            path.unlink()
            print(f"removed {path.relative_to(ROOT)}")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if words and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
