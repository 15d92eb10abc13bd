-- What a claim does for calls with gates, beside leasing them.
-- Ask again for a call that waited for its moment.  Returns its mark, or nothing when it is to wait once more.
local function ask_again(key, watched, mark, id, attempt, when, lost, payload)
  local due = due_of(id, when)
  local me = { key = key, mark = mark, watched = watched, id = id, attempt = attempt, when = due, lost = lost, payload = payload }
  local word, reason = at_the_gates().ask(meet(me, call('HGET', runs .. key, 'run')))
  if word == 'admitted' then return word end
  if word == 'dropped' then return reason end
  if word == 'broken' then return mark end
end

local RELEASE = 200

-- Let a call go that is held at a strike which was lifted.
local function release_one(key, paces)
  local record = runs .. key
  local found = tried('HMGET', record, 'state', 'strike', 'attempt', 'watched', 'payload')
  if not found or found[1] ~= 'parked' or not found[2] then return tried('ZREM', at_strikes, key) end
  local name, attempt, watched, payload = found[2], found[3] or '1', found[4], fetch(key, found[5]) or ''
  local pace, due = string.match(paces[name] or '', '^(%d+) (%d+)$')
  if not pace then return end
  due = math.max(now(), tonumber(due))
  paces[name] = pace .. ' ' .. due + pace
  call('HSET', releases, name, paces[name])
  let_go(key, 'attempt')
  call('DEL', base .. key)
  call('HDEL', record, 'strike', 'payload')
  place(key, record, due, attempt, payload)
  if watched then announce(key, call('HGET', record, 'state'), watched) end
end

-- Let go what is held at strikes that were lifted, in the order in which it came, a bounded step.
local function release()
  local notes, paces = tried('HGETALL', releases) or {}, {}
  for i = 1, #notes, 2 do paces[notes[i]] = notes[i + 1] end
  local after = paces['!after'] or '-inf'
  local rows = tried('ZRANGEBYSCORE', at_strikes, after, '+inf', 'WITHSCORES', 'LIMIT', 0, RELEASE) or {}
  for i = 1, #rows, 2 do
    release_one(rows[i], paces)
    after = '(' .. rows[i + 1]
  end
  if #rows == 2 * RELEASE then return call('HSET', releases, '!after', after) end
  call('DEL', releases)
  call('ZREM', chores, 'release')
end

-- What earlier scripts left undone, a bounded step.  Returns whether something is left again.
local function do_chores()
  local due = tried('ZRANGEBYSCORE', chores, '-inf', stamp(), 'LIMIT', '0', '10')
  if not due or #due == 0 then return false end
  at_the_gates().serve(due)
  for _, chore in ipairs(due) do
    if chore == 'release' then release() end
  end
  return #call('ZRANGEBYSCORE', chores, '-inf', now(), 'LIMIT', 0, 1) > 0
end
