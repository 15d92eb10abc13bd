-- clear: 'scheduled' | 'parked' | 'held' | 'ready', how many at most, for ready: after which id, and up to which ('' at the first step).
-- Returns {how many ended, how many were looked at, the last id looked at, up to which id}.
-- Guarantee: each step is bounded; waiting calls end, running ones are untouched, what is added after the first step stays.
local function end_waiting(key)
  local record = runs .. key
  local found = try('HMGET', record, 'state', 'run', 'watched', 'reported')
  if failed(found) or found[1] == 'running' then return 0 end
  if not LIVE[found[1]] then
    if not found[1] then  -- the record was evicted
      wipe(key, record)
      let_go_if_gated(key)
    end
    return 0
  end
  displace(key, record, found[1])
  call('HDEL', record, 'id', 'payload', 'unknown')
  local seen = { run = found[2], watched = found[3], reported = found[4] }
  close(key, record, seen, 'cancelled', TTL, '', { 'reason', 'cleared' })
  return 1
end

local function clear_line(line, most)
  local ended, keys = 0, tried('ZRANGE', line, 0, most - 1) or {}
  for _, key in ipairs(keys) do
    ended = ended + end_waiting(key)
    call('ZREM', line, key)
  end
  return { ended, #keys, '', '' }
end

-- Entries that were never delivered lie behind the group's last delivered id.
local function last_delivered()
  local groups = try('XINFO', 'GROUPS', stream)
  for _, group in ipairs(not failed(groups) and groups or {}) do
    local name, id
    for i = 1, #group, 2 do
      if group[i] == 'name' then name = group[i + 1] elseif group[i] == 'last-delivered-id' then id = group[i + 1] end
    end
    if name == GROUP then return id end
  end
  return '0-0'
end

local function clear_ready(most, after, upto)
  if upto == '' then
    local newest = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    if not newest then return { 0, 0, '', '' } end
    after, upto = last_delivered(), newest[1]
  end
  local entries, ended, last = call('XRANGE', stream, '(' .. after, upto, 'COUNT', most), 0, after
  for _, entry in ipairs(entries) do
    last = entry[1]
    local key = entry[2][1] == 'v1' and entry[2][2]
    local owner = key and try('HGET', runs .. key, 'id')
    if owner == last then ended = ended + end_waiting(key) end
  end
  return { ended, #entries, last, upto }
end

local function clear(first)
  local wrong = overwritten()
  if wrong then return wrong end
  local what, most = ARGV[first], tonumber(ARGV[first + 1])
  local line = what == 'scheduled' and queue or what == 'parked' and parked or what == 'held' and at_strikes
  local answer = line and clear_line(line, most) or clear_ready(most, ARGV[first + 2], ARGV[first + 3])
  finish()
  return answer
end
