-- turn: where the claim's arguments begin, then settle's, then claim's.
-- Returns {settle's answer, claim's answer}.
-- Guarantee: one trip for a busy worker's whole round, and never a claim whose answer goes to nobody because only it found its script.
local function turn(first)
  local split = tonumber(ARGV[first])
  local wrong = no_fences() or no_strikes()
  if wrong then return wrong end
  local words = settle(first + 1, split - 1)
  if type(words) == 'string' then return words end
  return { words, claim(split) }
end
