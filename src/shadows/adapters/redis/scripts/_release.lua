-- Let go a bounded number of the calls that are held at strikes which were lifted, in the order in which they came.  Returns whether
-- some may be left.
local RELEASE = 200

local function release_one(key, paces)
  local record = runs .. key
  local found = try('HMGET', record, 'state', 'strike', 'attempt', 'watched', 'payload')
  if failed(found) or found[1] ~= 'parked' or not found[2] then return true end
  local name, attempt, watched, payload = found[2], found[3] or 1, found[4], fetch(key, found[5])
  local pace, due = string.match(paces[name] or '', '^(%d+) (%d+)$')
  if not pace then return false end
  due = math.max(now(), tonumber(due))
  paces[name] = pace .. ' ' .. due + pace
  call('HSET', releases, name, paces[name])
  call('DEL', base .. key)
  call('HDEL', record, 'strike', 'payload')
  place(key, record, due, attempt, payload or '')
  if watched then announce(key, call('HGET', record, 'state'), watched) end
  return true
end

local function release_step()
  local notes, paces = latest().holding and try('HGETALL', releases) or {}, {}
  if failed(notes) or #notes == 0 then return false end
  for i = 1, #notes, 2 do paces[notes[i]] = notes[i + 1] end
  local from = paces['!cursor'] or '-inf'
  local keys = try('ZRANGEBYSCORE', held, from, '+inf', 'WITHSCORES', 'LIMIT', 0, RELEASE)
  if failed(keys) then return false end
  local gone = {}
  for i = 1, #keys, 2 do
    if release_one(keys[i], paces) then gone[#gone + 1] = keys[i] end
    from = '(' .. keys[i + 1]
  end
  if #gone > 0 then call('ZREM', held, unpack(gone)) end
  if #keys < 2 * RELEASE then
    call('DEL', releases)
    return false
  end
  call('HSET', releases, '!cursor', from)
  return true
end
