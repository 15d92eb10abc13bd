-- The server's clock in ms, with microseconds behind the point; read at most once in a script, and only where it is needed.
local instant
local function clock()
  if not instant then
    local time = redis.call('TIME')
    instant = time[1] * 1000 + time[2] / 1000
  end
  return instant
end
