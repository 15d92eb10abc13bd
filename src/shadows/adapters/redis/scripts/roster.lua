-- roster: horizon ms, how many at most.
-- Returns holder, ms when it was last seen, a list of its tasks for each worker seen within the horizon, by name.
local function roster(first)
  local present = try('ZRANGEBYSCORE', workers, now() - tonumber(ARGV[first]), '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[first + 1])
  if failed(present) then return workers end
  local out = {}
  for i = 1, #present, 2 do
    local known = try('SMEMBERS', base .. 'worker-tasks:' .. present[i])
    local n = #out
    out[n + 1], out[n + 2], out[n + 3] = present[i], present[i + 1], failed(known) and {} or known
  end
  return out
end
