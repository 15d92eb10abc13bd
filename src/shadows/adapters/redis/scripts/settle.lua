-- settle: holder, unknown task ttl ms, then kind, state, reason, task, due, attempt, deliveries, body, follow, key, id, fence for each lease.
--   follow is '' for nothing, '-' if the run is the last by its own decision, else 'due definition payload' of the next occurrence.
--   Of a hold, reason is the strike, task the position that it was judged with, and due when the call was due.
--   First attempts of one task that ended well, with nothing to keep of them, are 'done', task, count, and key, id, fence for each.
-- Returns a number and a word (cancelled, buried, superseded, broken) for each that was not simply settled; they are counted from 0.
-- Guarantee: each lease counts once, and what follows from it (record, result, next attempt or occurrence, successor,
--   message) is one step.
local SETTLED, DONE, LEASED = 12, 3, 3

local function payload_at(id)
  local entry = call('XRANGE', stream, id, id)[1]
  return entry and entry[2][4]
end

-- A failed run keeps its payload as long as its record, so that it can be replayed.
local function keep_payload(key, record, id, ttl)
  local payload = payload_at(id)
  if not payload then return end
  stash(key, record, payload, 'state', 'failed')
  call('PEXPIRE', base .. key, ttl)
end

-- What follows `body` is what most calls do not have.
local function place_again(key, record, due, attempt, body, ...)
  call('HDEL', record, 'lease', 'fence', 'lost', 'unknown', 'attempt')
  if ... then annotate(record, ...) end
  place(key, record, due, attempt, body)
end

-- The key goes on to its next occurrence.  Who has a handle on the run that ended still finds its record, among the past ones.
local function perpetuate(key, record, seen, id, state, body, marks, follow)
  local due, definition, payload = string.match(follow, '^(%S*) (%S*) (.*)$')
  remember(seen.run, key)
  if seen.gate then let_go(key) end
  if TTL ~= '0' then
    local gone = past_of(seen.run, key)
    if failed(try('RENAME', record, gone)) then call('DEL', gone) end
    if body ~= '' then marks[#marks + 1], marks[#marks + 2] = 'result', body end
    local kept = state == 'failed' and payload_at(id)
    if kept then marks[#marks + 1], marks[#marks + 2] = 'payload', kept end
    call('HSET', gone, 'state', state, 'ended', stamp(), unpack(marks))
    call('PEXPIRE', gone, TTL)
  end
  wipe(key, record)
  local fields = { 'run', '#' .. seen.fence }
  if definition ~= '' then fields[3], fields[4] = 'definition', definition end
  place(key, record, resolve(due), '1', payload, unpack(fields))
  announce(key, state, seen.watched, seen.fence)
  return 'settled'
end

local function end_run(key, record, seen, id, state, reason, task, attempt, body, follow)
  local marks = { 'task', task }
  if reason ~= '' then marks[3], marks[4] = 'reason', reason end
  if tonumber(attempt) > 1 then marks[#marks + 1], marks[#marks + 2] = 'attempt', attempt end
  if follow ~= '' and follow ~= '-' and not seen.cancel and not seen.successor then
    return perpetuate(key, record, seen, id, state, body, marks, follow)
  end
  if follow == '-' or (state == 'cancelled' and reason == 'cancelled') then seen.cancel = 1 end
  if state == 'failed' and TTL ~= '0' and not seen.successor then keep_payload(key, record, id, TTL) end
  close(key, record, seen, state, TTL, body, marks)
  return 'settled'
end

-- Wait longer each time: as long as it has been unknown already, between a second and a minute.
local function put_back(key, record, seen, attempt, deliveries, body, patience)
  local since = tonumber(call('HGET', record, 'unknown') or '') or now()
  local waited = now() - since
  if waited >= patience then
    return give_up(key, record, seen, 'unknown-task', attempt, deliveries - 1, body) and 'buried' or 'broken'
  end
  if seen.gate then let_go(key, 'attempt') end
  local marks = { 'unknown', since }
  if deliveries > 1 then marks[3], marks[4] = 'lost', deliveries - 1 end
  place_again(key, record, now() + math.min(60000, waited + 1000), attempt, body, unpack(marks))
  call('HINCRBY', record, 'returned', 1)
  try('SADD', strangers, key)
  announce(key, 'scheduled', seen.watched, seen.fence)
  return 'settled'
end

-- The call waits at a strike, unless the list has moved on since that was judged: then it is judged anew.
local function hold_back(key, record, seen, strike, position, due, attempt, lost, body)
  local marks = lost > 0 and { 'lost', lost } or {}
  if position ~= newest_strike().id or not tried('ZADD', at_strikes, seen.fence or 0, key) then
    return place_again(key, record, nil, attempt, body, unpack(marks))
  end
  call('HDEL', record, 'id', 'lease', 'fence', 'lost', 'unknown', 'attempt')
  call('HSET', gated .. key, 'at', '!held', 'when', due)
  if tonumber(attempt) > 1 then call('HSET', record, 'attempt', attempt) end
  stash(key, record, body, 'state', 'parked', 'gate', 'parked', 'strike', strike)
  if lost > 0 then annotate(record, 'lost', lost) end
end

-- End a first attempt that ended well, of which nothing is to be kept but its record; as nearly all are.  Returns false where there is
-- more to it: then nothing was written.
local function complete(key, id, fence, task)
  local record = runs .. key
  local found = try('HMGET', record, 'state', 'fence', 'more')
  if found[1] ~= 'running' or found[2] ~= fence or found[3] or TTL == '0' then return false end
  call('HSET', record, 'state', 'completed', 'ended', stamp(), 'task', task)
  call('PEXPIRE', record, TTL)
  forget(id)
  return 'settled'
end

-- What is known of the call that is being settled; one table, for there are many of them.
local settling = {}

local function settle_one(holder, patience, kind, state, reason, task, due, attempt, deliveries, body, follow, key, id, fence)
  local record = runs .. key
  local found = try('HMGET', record, 'id', 'state', 'fence', 'run', 'cancel', 'watched', 'successor', 'reported', 'gate')
  if failed(found) then
    forget(id)
    let_go_if_gated(key)
    return 'broken'
  end
  local owner, current, holding, run, cancel, watched, successor, reported, gate = unpack(found, 1, 9)
  if current and (current ~= 'running' or holding ~= fence or owner ~= id) then
    if owner ~= id then forget(id) end
    return 'superseded'
  elseif not current then  -- a record that was evicted does not make a run worthless: who has the message has the lease
    if not holds(holder, id) then return 'superseded' end
    successor = recall(key)
  end
  local seen = settling
  seen.fence, seen.run, seen.cancel, seen.watched = fence, run, cancel, watched
  seen.successor, seen.reported, seen.gate = successor, reported, gate
  forget(id)
  if kind == 'end' then return end_run(key, record, seen, id, state, reason, task, attempt, body, follow) end
  if kind == 'bury' then
    return give_up(key, record, seen, reason, attempt, deliveries - 1, body) and 'buried' or 'broken'
  end
  if cancel or successor then
    close(key, record, seen, cancel and 'cancelled' or 'superseded', TTL, '', { 'reason', 'cancelled' })
    return cancel and 'cancelled' or 'settled'
  end
  if kind == 'unknown' then return put_back(key, record, seen, attempt, tonumber(deliveries), body, patience) end
  if gate then let_go(key, kind == 'again' and 'run' or 'attempt') end
  if kind == 'hold' then
    hold_back(key, record, seen, reason, task, due, attempt, deliveries - 1, body)
  elseif kind == 'again' then
    place_again(key, record, resolve(due), attempt, body)
  elseif tonumber(deliveries) > 1 then
    place_again(key, record, nil, attempt, body, 'lost', deliveries - 1)
  else
    place_again(key, record, nil, attempt, body)
  end
  if watched then announce(key, call('HGET', record, 'state'), watched, fence) end
  return 'settled'
end

-- Say which of the keys that these verdicts need holds something else, if one does.
local function unfit(first, last)
  local i = first
  while i <= last do
    local kind = ARGV[i]
    if kind == 'hold' and no_strikes() then return strike_log end
    if (kind == 'bury' or kind == 'unknown') and failed(try('XLEN', dead_letters)) then return dead_letters end
    i = i + (kind == 'done' and DONE + LEASED * ARGV[i + 2] or SETTLED)
  end
end

-- In a turn the arguments of a claim follow, and that finishes what this has begun.
local function settle(first, last)
  local is_turn = last
  last = last or #ARGV
  local holder, patience, words, i, n = ARGV[first], tonumber(ARGV[first + 1]), {}, first + 2, 0
  local wrong = overwritten() or unfit(i, last)
  if wrong then return wrong end
  local function tell(word)
    if word ~= 'settled' then words[#words + 1], words[#words + 2] = n, word end
    n = n + 1
  end
  while i <= last do
    if ARGV[i] == 'done' then
      local task, first_lease = ARGV[i + 1], i + DONE
      i = first_lease + LEASED * ARGV[i + 2]
      for at = first_lease, i - 1, LEASED do
        local key, id, fence = ARGV[at], ARGV[at + 1], ARGV[at + 2]
        tell(complete(key, id, fence, task)
          or settle_one(holder, patience, 'end', 'completed', '', task, '', '1', '1', '', '', key, id, fence))
      end
    else
      tell(settle_one(holder, patience, unpack(ARGV, i, i + SETTLED - 1)))
      i = i + SETTLED
    end
  end
  if not is_turn then finish() end
  return words
end
