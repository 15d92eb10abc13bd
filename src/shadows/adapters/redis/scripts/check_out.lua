-- check_out: holder.
-- Guarantee: nothing stays of a worker that left, except leases that it did not settle: those keep their owner until redelivered,
-- and it is remembered as unseen until a later heartbeat of somebody finds that none is left.
local function check_out(first)
  local holder = ARGV[first]
  call('DEL', base .. 'worker-tasks:' .. holder, base .. '!inbox:' .. holder, base .. '!recovered:' .. holder)
  local pending = try('XPENDING', stream, GROUP, '-', '+', 1, holder)
  if not failed(pending) and #pending > 0 then
    try('ZADD', workers, 'XX', 0, holder)
    return {}
  end
  try('ZREM', workers, holder)
  if not failed(pending) then call('XGROUP', 'DELCONSUMER', stream, GROUP, holder) end
  return {}
end
