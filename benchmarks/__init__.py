"""How fast shadows is, beside its peers.  Run it: python3 dev.py bench [--help].

| file           | what it is                                                                   |
| -------------- | ---------------------------------------------------------------------------- |
| `__main__.py`  | the command: which scenarios, which peers, how often                          |
| `scenarios.py` | what is measured, and how                                                     |
| `peers.py`     | who is measured, from which packages, with which settings                     |
| `contenders/`  | one file for each library: add a call, work                                   |
| `child.py`     | a producer or a worker in a process of its own, in its peer's environment     |
| `process.py`   | the other end of that process                                                 |
| `recorder.py`  | when each call started                                                        |
| `server.py`    | the Redis or Valkey that all use, and what it tells of them                   |
| `report.py`    | medians, ratios, the table                                                    |
| `micro.py`     | what one run costs in the worker itself                                       |
| `startup.py`   | how long a process takes to begin                                             |
| `suite/`       | the whole comparison, and the targets: `dev.py bench --targets`               |
| `libraries/`   | one file for each library of that                                             |

The machine is never quiet, so the peers take turns (repetitions outermost), medians are compared, and the
ratios are those of one run.
"""
