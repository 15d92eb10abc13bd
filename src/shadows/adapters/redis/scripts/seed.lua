-- seed: '1' to begin anew what somebody has stopped; then key, due, definition, payload for each seed.
-- Returns a word (seeded, live, changed, older, cancelled, broken) for each.
-- Guarantee: for each key the look, the memory of its definitions and the placement are one step; what is under way is untouched.
-- !schedules holds for each key 'seen:KEY', its latest definitions, the one first seen last in front, and 'stopped:KEY', a mark.
local DEFINITIONS, SCHEDULES_TTL = 8, 30 * 24 * 3600 * 1000

-- Remember a definition that was never seen before.  Returns whether it is the one that was first seen last.
local function note_seed(key, definition, seen)
  local kept = { definition }
  for known in string.gmatch(seen or '', '%S+') do
    if known == definition then return #kept == 1 end
    if #kept < DEFINITIONS then kept[#kept + 1] = known end
  end
  call('HSET', schedules, 'seen:' .. key, table.concat(kept, ' '))
  return true
end

-- Nobody asked for the key of a run that has ended: who has a handle on it still finds its record, for as long as that had to live.
local function retire(key, record, run)
  local gone, result, payload = past_of(run, key), try('GET', results .. key), fetch(key)
  call('RENAME', record, gone)
  if result and not failed(result) then call('HSET', gone, 'result', result) end
  if payload then call('HSET', gone, 'payload', payload) end
end

local function change(key, record, state, due, definition, payload, watched)
  displace(key, record, state)
  call('HDEL', record, 'id', 'payload', 'unknown', 'lost')
  place(key, record, resolve(due), '1', payload, 'definition', definition)
  if watched then announce(key, call('HGET', record, 'state'), watched) end
end

local function seed_one(restart, key, due, definition, payload)
  local record = runs .. key
  local found = try('HMGET', record, 'state', 'run', 'id', 'attempt', 'definition', 'watched')
  if failed(found) then return 'broken' end
  local state, owner, id, attempt, current, watched = unpack(found, 1, 6)
  local seen, stopped = unpack(call('HMGET', schedules, 'seen:' .. key, 'stopped:' .. key), 1, 2)
  local newest = note_seed(key, definition, seen)
  local lost = is_stranded(state, id) or (state == 'scheduled' and not call('ZSCORE', queue, key))
  if stopped and (restart or LIVE[state]) then
    call('HDEL', schedules, 'stopped:' .. key)
    stopped = nil
  end
  if LIVE[state] and not lost then
    if not newest then return 'older' end
    if state == 'running' or attempt or not current or current == definition then return 'live' end
    change(key, record, state, due, definition, payload, watched)
    return 'changed'
  end
  if stopped then return 'cancelled' end
  if lost then
    call('DEL', successors .. key)
    let_go_if_gated(key)
  end
  if state then remember(owner, key) end
  if state and not LIVE[state] then retire(key, record, owner) end
  wipe(key, record)
  place(key, record, resolve(due), '1', payload, 'run', '#' .. new_fence(), 'definition', definition)
  return 'seeded'
end

local function seed(first)
  local wrong = overwritten() or no_fences() or (failed(try('HLEN', schedules)) and schedules)
  if wrong then return wrong end
  local words = {}
  for i = first + 1, #ARGV, 4 do words[#words + 1] = seed_one(ARGV[first] == '1', unpack(ARGV, i, i + 3)) end
  call('PEXPIRE', schedules, SCHEDULES_TTL)
  keep_fences()
  finish()
  return words
end
