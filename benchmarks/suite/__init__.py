"""The whole comparison, and the targets: python3 dev.py bench --targets [--help].

| file          | what it is                                                                          |
| ------------- | ----------------------------------------------------------------------------------- |
| `run.py`      | the command: which entrants, how often, where the results go                        |
| `entrants.py` | who is measured, from which packages, with which settings                           |
| `measures.py` | what is measured of each by itself: add and drain, I/O                              |
| `together.py` | what entrants do in short turns: adding one by one, waiting                         |
| `turns.py`    | how long one script keeps the server's processor                                    |
| `growth.py`   | what becomes of shadows as the backlog grows, and with more workers                 |
| `imports.py`  | how long it takes to import each                                                    |
| `targets.py`  | what was promised, and whether it is so                                             |
| `results.py`  | from runs to medians and ratios                                                     |
| `tables.py`   | the tables, in markdown                                                             |
| `page.py`     | docs/performance.md, which shows the committed results                              |
| `plots.py`    | two pictures, drawn in an environment of their own                                  |
| `child.py`    | a producer or a worker in a process of its own, in its library's environment        |
| `process.py`  | the other end of that process                                                       |
| `record.py`   | when each call started and ended, in a file that all processes share                |
| `gauge.py`    | what the server tells                                                               |

The entrants take turns, repetitions outermost, so that a busy minute of the machine hits all alike. Rates are those
from the first to the last start, so that no import counts. Whoever is slow is cut off after a few seconds, and the
rate is of what was done. A worker is killed when enough is known, but where another one goes on.
"""
