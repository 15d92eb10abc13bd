-- release: nothing.
-- Returns {1 if calls may be left that are to be let go, else 0}.
-- Guarantee: each call is let go once, in the order in which they came to be held; a step is bounded, and the next claim goes on.
local function release()
  local wrong = overwritten() or no_strikes()
  if wrong then return wrong end
  local more = release_step()
  finish()
  return { more and 1 or 0 }
end
