"""The parts of tests under fire: workers in processes of their own, producers, a nemesis, a history, and checks of it.

- `history`: what happened, in a file outside of the broker
- `tasks`: what the workers run; `hostile`: what they had better not have to run
- `crew`: the workers; `producers`: who places calls; `arena`: all of it together
- `nemesis`: who breaks things, by a seed; `acts`: what it can break
- `checks`: what must hold, as functions of a history; `remains`: what is left on the server
"""
