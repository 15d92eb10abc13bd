-- check_in: holder, horizon ms, then the names of the tasks that it knows.
-- Guarantee: the worker and its tasks appear together, and fade together when its heartbeats stop.
local function check_in(first)
  local holder, horizon = ARGV[first], ARGV[first + 1]
  local known = base .. 'worker-tasks:' .. holder
  if failed(try('ZADD', workers, now(), holder)) then return workers end
  call('DEL', known)
  for i = first + 2, #ARGV, 500 do call('SADD', known, unpack(ARGV, i, math.min(i + 499, #ARGV))) end
  call('PEXPIRE', known, horizon)
  if not failed(try('XLEN', stream)) then ensure_group() end
  return {}
end
