-- renew: holder, then ids.
-- Returns the ids that this holder no longer has; those it has start a new lease.
-- Guarantee: a lost lease is never taken back, and no delivery is counted.
local function renew(first)
  if failed(try('XLEN', stream)) then return stream end  -- a lease that cannot be looked at is not lost
  local holder, lost = ARGV[first], {}
  for i = first + 1, #ARGV do
    local id = ARGV[i]
    local row = try('XPENDING', stream, GROUP, id, id, 1, holder)
    if not failed(row) and #row == 1 and #call('XRANGE', stream, id, id) == 1 then
      call('XCLAIM', stream, GROUP, holder, 0, id, 'IDLE', 0, 'JUSTID')
    else
      lost[#lost + 1] = id
    end
  end
  return lost
end
