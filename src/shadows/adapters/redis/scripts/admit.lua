-- admit: holder, then key, id, fence, deliveries, gates for each lease; gates are lines of 'kind name most span drop'.
-- Returns a word (admitted, parked, delayed, dropped, cancelled, superseded, broken) and a reason ('' none) for each.
-- Guarantee: a call takes all of its gates or none, and a lease that is given up is given up in the same step that parks or delays.
local ASKED = 5
local REASONS = { debounced = true, cooldown = true, rate_limit = true }

local function admit_one(holder, key, id, fence, deliveries, list)
  local record = runs .. key
  local found = try('HMGET', record, 'id', 'state', 'fence', 'run', 'cancel', 'watched', 'successor', 'reported', 'gate')
  if failed(found) then return 'broken', record end
  local owner, state, holding, run, cancel, watched, successor, reported, mark = unpack(found, 1, 9)
  if state and (state ~= 'running' or holding ~= fence or owner ~= id) then
    if owner ~= id then forget(id) end
    return 'superseded', ''
  end
  local _, attempt, when, payload = read_entry((call('XRANGE', stream, id, id)[1] or { '', {} })[2])
  if not payload or (not state and not holds(holder, id)) then return 'superseded', '' end
  if not state then  -- the record was evicted
    successor = recall(key)
    call('HSET', record, 'state', 'running', 'fence', fence, 'lease', now() .. ' ' .. holder, 'id', id)
  end
  if cancel or successor then
    local seen = { fence = fence, run = run, cancel = cancel, watched = watched, successor = successor, reported = reported, gate = mark }
    forget(id)
    close(key, record, seen, cancel and 'cancelled' or 'superseded', TTL, '', { 'reason', 'cancelled' })
    return cancel and 'cancelled' or 'superseded', ''
  end
  if mark == 'admitted' then return mark, '' end
  if REASONS[mark] then return 'dropped', mark end
  local me = { key = key, mark = mark, watched = watched, fence = fence, id = id, attempt = attempt, when = when and due_of(id, when),
    payload = payload, lost = deliveries - 1 }
  meet(me, run, list)
  me.arrival = me.arrival or tonumber(fence)
  return at_the_gates().ask(me)
end

local function admit(first)
  local wrong = overwritten()
  if wrong then return wrong end
  if tried('ZCARD', parked) == nil then return parked end
  local holder, answers = ARGV[first], {}
  for i = first + 1, #ARGV, ASKED do
    answers[#answers + 1], answers[#answers + 2] = admit_one(holder, unpack(ARGV, i, i + ASKED - 1))
  end
  finish()
  return answers
end
