-- append: position of the writer, name, until ('' never, '+n' in n ms, 'n' at an instant), '1' to hold, strike ('' for a restore),
--   ms between two calls that a restore lets go.
-- Returns {1 if a strike of this name was in force, else 0, or 'full'; the news for the writer, or {}}.
-- Guarantee: the log is in one order, keeps one entry a name and a bounded number of them, and loses no strike that is in force.
local function append(first)
  local position, name, ends, hold, strike, pace = unpack(ARGV, first, first + 5)
  local wrong = no_strikes()
  if wrong then return wrong end
  local found = write_strike(name, resolve(ends), hold, strike, pace)
  last_strike = nil
  return { found, strike_news(position) or {} }
end
