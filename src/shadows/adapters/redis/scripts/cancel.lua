-- cancel: key.
-- Returns {'cancelled'} (it will never start), {'requested'} (it is running, its holder was told) or {'not_live'}.
-- Guarantee: waiting work is gone for good; of an unknown key nothing is left behind.
local INBOX_TTL = 60000

local function cancel(first)
  local key = ARGV[first]
  local record = runs .. key
  local wrong = overwritten()
  if wrong then return wrong end
  local found = try('HMGET', record, 'state', 'run', 'watched', 'successor', 'lease', 'fence', 'reported')
  if failed(found) then return record end
  local state, run, watched, successor, lease, fence, reported = unpack(found, 1, 7)
  if not LIVE[state] then return { 'not_live' } end
  if state == 'running' then
    if successor then
      remember(successor, key)
      call('DEL', successors .. key)
      call('HDEL', record, 'successor')
    end
    annotate(record, 'cancel', 1)
    local inbox = base .. '!inbox:' .. read_lease(lease)
    if failed(try('RPUSH', inbox, fence .. ' ' .. key)) then call('DEL', inbox) else call('PEXPIRE', inbox, INBOX_TTL) end
    remember_all()
    return { 'requested' }
  end
  displace(key, record, state)
  call('HDEL', record, 'id', 'payload', 'unknown')
  close(key, record, { run = run, cancel = 1, watched = watched, reported = reported }, 'cancelled', TTL, '', { 'reason', 'cancelled' })
  finish()
  return { 'cancelled' }
end
