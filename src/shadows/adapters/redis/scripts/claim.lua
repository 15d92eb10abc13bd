-- claim: holder, limit, most deliveries, sweep cursor ('' none, '-' from the start), presence horizon ms, '1' to empty the inbox,
--   position in the strike log, '1' to count what is left, '' or the number of this order to recover what is pending for this holder and
--   not among the ids that follow.
-- Returns {µs until the next call is due or -1, cursor, 1 if more may be ready, calls left or -1, 1 if presence knows the holder,
--   ms of the server's clock, messages from the inbox, news of the strike log or {}, the fence of the first lease, what is unusual, then key,
--   id, payload for each lease}.  Each lease has the fence after that of the one before it.
--   Of a lease that is not the first of a first attempt, or was due before its id says, or has gates, what is unusual has its number, counted
--   from 0, and 'attempt due deliveries mark', where due may be '' and mark is that of its gates.
-- Guarantee: every lease returned is marked running under its own new fence in this step; nothing else was consumed.
local PROMOTE, SWEEP, PAGE, NEWER = '50', 100, 200, '!newer:60000'
local SILENCE, GRACE, DAY = 1500, 10000, 86400000
local HEADER, LEASE = 10, 3

-- The leases of this claim are written behind the header of its answer.
local claimed, unusual, given, leased = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, {}, 0, nil

-- Move what is due to the stream, a bounded step at a time.
local function promote()
  if (first_due() or math.huge) > now() then return end
  local due = call('ZRANGEBYSCORE', queue, '-inf', stamp(), 'WITHSCORES', 'LIMIT', '0', PROMOTE)
  local gone = {}
  for i = 1, #due, 2 do
    local key, when = due[i], due[i + 1]
    local record = runs .. key
    local found = try('HMGET', record, 'payload', 'attempt', 'watched')
    local payload = not failed(found) and fetch(key, found[1])
    gone[#gone + 1] = key
    if payload then
      enqueue(key, record, found[2] or '1', when, payload)
      unstash(key, record, found[1])
      announce(key, 'queued', found[3])
    elseif bury({ 'reason', 'undecodable', 'key', key, 'payload', fetch(key) or '' }) then
      if failed(found) then call('DEL', base .. key) else wipe(key, record) end
      let_go_if_gated(key)
    else
      gone[#gone] = nil
    end
  end
  if #gone > 0 then leave_queue(unpack(gone)) end
end

local function lease_of(consumer) return tonumber(string.match(consumer, ':(%d+)$')) or 0 end

-- A call ended here wakes those who wait for it, and never reaches a body.
local function refuse(key, record, id, attempt, deliveries, payload)
  local fence, run, cancel, watched, successor, reported, gate =
    unpack(call('HMGET', record, 'fence', 'run', 'cancel', 'watched', 'successor', 'reported', 'gate'), 1, 7)
  local seen = { fence = fence, run = run, cancel = cancel, watched = watched, successor = successor, reported = reported, gate = gate }
  if cancel then
    forget(id)
    close(key, record, seen, 'cancelled', TTL, '', { 'reason', 'cancelled' })
  elseif give_up(key, record, seen, 'worker-lost', attempt, deliveries, payload) then
    forget(id)
  end
end

-- Judge one message that this holder has: lease it, or clean it up.
local function take(holder, most, id, fields, count)
  local key, attempt, when, payload = read_entry(fields)
  if not key then
    if attempt then
      call('XCLAIM', stream, GROUP, NEWER, 0, id, 'IDLE', 0, 'RETRYCOUNT', 0, 'JUSTID')
      try('SADD', strangers, '!' .. id)
    elseif quarantine(id, fields) then
      forget(id)
    end
    return
  end
  local record = runs .. key
  local found = try('HMGET', record, 'id', 'state', 'more')
  if failed(found) then
    if quarantine(id, fields) then forget(id) end
    let_go_if_gated(key)
    return
  end
  local owner, state, deliveries = found[1], found[2], count
  if state and (owner ~= id or not (state == 'queued' or state == 'running')) then return forget(id) end
  if not state then
    local successor = recall(key)
    if successor then annotate(record, 'successor', successor) end
  end
  local cancel, watched, lost, unknown, gate
  if found[3] then
    cancel, watched, lost, unknown, gate = unpack(call('HMGET', record, 'cancel', 'watched', 'lost', 'unknown', 'gate'), 1, 5)
    deliveries = count + (tonumber(lost) or 0)
  end
  if unknown then try('SREM', strangers, key) end
  if cancel or deliveries > most then return refuse(key, record, id, attempt, deliveries - 1, payload) end
  if gate == 'reserved' or gate == 'settling' then
    gate = ask_again(key, watched, gate, id, attempt, when, deliveries - 1, payload)
    if not gate then return end
  end
  local new, n = new_fence(), HEADER + LEASE * given
  leased = leased or stamp() .. ' ' .. holder
  call('HSET', record, 'state', 'running', 'fence', new, 'lease', leased)
  if not state then call('HSET', record, 'id', id) end
  if watched then announce(key, 'running', watched, new) end
  claimed[n + 1], claimed[n + 2], claimed[n + 3] = key, id, payload
  if attempt ~= '1' or when ~= '' or deliveries ~= 1 or gate then
    unusual[#unusual + 1] = given
    unusual[#unusual + 1] = table.concat({ attempt, when, deliveries, gate or '' }, ' ')
  end
  given = given + 1
end

-- A message to the holder may have been lost with the same answer: is the cancel of this running call asked for?
local function cancel_of(fields)
  local key = read_entry(fields)
  local found = key and try('HMGET', runs .. key, 'cancel', 'fence')
  return found and not failed(found) and found[1] and found[2] .. ' ' .. key
end

-- A network may deliver an order after a later one of the same holder.  What the late one does not know was given since, and runs.
local function is_late(holder, number)
  local recovered = base .. '!recovered:' .. holder
  if number < (tonumber(tried('GET', recovered)) or 0) then return true end
  call('SET', recovered, number, 'PX', REMEMBER)
end

-- After a broken trip: what is pending for this holder although it knows nothing of it.  No delivery is counted.
-- It looks at no more than the holder's own leases, a page at a time.  Returns whether some had to be left.
local function recover(limit, most, holder, known, messages)
  local from, left = '-', false
  local rows
  repeat
    rows = call('XPENDING', stream, GROUP, from, '+', PAGE, holder)
    for _, row in ipairs(rows) do
      local id = row[1]
      local entry = call('XRANGE', stream, id, id)[1]
      if known[id] then
        messages[#messages + 1] = entry and cancel_of(entry[2]) or nil
      elseif not entry then
        forget(id)
      elseif given >= limit then
        left = limit > 0
      else
        call('XCLAIM', stream, GROUP, holder, 0, id, 'IDLE', 0, 'JUSTID')
        take(holder, most, id, entry[2], row[4])
      end
      from = '(' .. id
    end
  until #rows < PAGE
  return left
end

-- Hear that somebody sweeps, as each worker does about once a second.  Returns the last silence: when it began and when it was over.
-- After one nobody can tell who died in it from who could not reach the server, which was away.
local function hear_silence()
  local heard = base .. '!heard'
  local last, since, back = string.match(tried('GET', heard) or '', '^(%d+) (%d+) (%d+)$')
  last, since, back = tonumber(last), tonumber(since) or 0, tonumber(back) or 0
  if last and now() - last > SILENCE then since, back = last, now() end
  if back > now() then since, back = 0, 0 end  -- the clock was set back
  call('SET', heard, string.format('%d %d %d', now(), since, back), 'PX', DAY)
  return since, back
end

-- Whether a lease waits although it has ended: a silence was too long for it, it was renewed within half of its length before that, as those
-- who live renew each quarter, and they have not had the time since then to do so again.
local function is_spared(lease, idle, since, back)
  local half = lease / 2
  return back - since > half and now() - idle > since - half and now() - back < math.min(half, GRACE)
end

-- Redeliver what has been idle for longer than its own holder's lease, a bounded step from `cursor` on.
local function sweep(limit, most, holder, cursor)
  local since, back = hear_silence()
  local pending = call('XPENDING', stream, GROUP, cursor, '+', SWEEP)
  local last = cursor
  for _, row in ipairs(pending) do
    local id, consumer, idle, count = unpack(row, 1, 4)
    local lease = lease_of(consumer)
    if consumer ~= holder and idle > lease and not is_spared(lease, idle, since, back) then
      if given >= limit then return last, limit > 0 end
      local entry = call('XCLAIM', stream, GROUP, holder, 0, id)[1]
      if consumer == NEWER then try('SREM', strangers, '!' .. id) end
      if entry and entry[2] then
        take(holder, most, id, entry[2], count + 1)
      else
        forget(id)
      end
    end
    last = '(' .. id
  end
  return #pending < SWEEP and '-' or last, false
end

local function drop_consumer(consumer)
  if #call('XPENDING', stream, GROUP, '-', '+', 1, consumer) > 0 then return false end
  call('XGROUP', 'DELCONSUMER', stream, GROUP, consumer)
  return true
end

-- Be seen, and let those go who have not been for long and hold nothing any more.  Returns whether presence knows this holder.
local function heartbeat(holder, horizon)
  local seen = try('ZSCORE', workers, holder)
  if failed(seen) then return 0 end
  local known = seen and now() - seen <= tonumber(horizon)
  if known then
    call('ZADD', workers, now(), holder)
    call('PEXPIRE', base .. 'worker-tasks:' .. holder, horizon)
  end
  for _, silent in ipairs(call('ZRANGEBYSCORE', workers, '-inf', '(' .. now() - horizon, 'LIMIT', 0, 5)) do
    if drop_consumer(silent) then call('ZREM', workers, silent) end
  end
  return known and 1 or 0
end

local function read_new(holder, wanted)
  wanted = string.format('%d', wanted)
  local reply = try('XREADGROUP', 'GROUP', GROUP, holder, 'COUNT', wanted, 'STREAMS', stream, '>')
  if failed(reply) then
    ensure_group()
    reply = call('XREADGROUP', 'GROUP', GROUP, holder, 'COUNT', wanted, 'STREAMS', stream, '>')
  end
  return reply and reply[1][2] or {}
end

local function read_inbox(holder)
  local inbox = base .. '!inbox:' .. holder
  local messages = try('LRANGE', inbox, '0', '-1')
  if failed(messages) or #messages > 0 then call('DEL', inbox) end
  return failed(messages) and {} or messages
end

-- How many calls are live, but for those of unknown tasks.
local function count_left()
  local unknown = try('SCARD', strangers)
  return math.max(0, call('XLEN', stream) + call('ZCARD', queue) + (tried('ZCARD', parked) or 0) - (failed(unknown) and 0 or unknown))
end

local function claim(first)
  local holder, limit, most, cursor, horizon = ARGV[first], tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2]), ARGV[first + 3], ARGV[first + 4]
  local wrong = overwritten() or no_fences() or no_strikes()
  if wrong then return wrong end
  local hear, news, broken = ARGV[first + 5] == '1', strike_news(ARGV[first + 6]), tonumber(ARGV[first + 8])
  if broken and is_late(holder, broken) then broken, hear, limit = nil, false, 0 end  -- nobody hears the answer
  if cursor ~= '' or broken then ensure_group() end

  local enrolled, more, messages = 1, false, hear and read_inbox(holder) or {}
  promote()
  local undone = do_chores()
  if broken then
    forget_all()
    local known = {}
    for i = first + 9, #ARGV do known[ARGV[i]] = true end
    more = recover(limit, most, holder, known, messages)
  end
  if cursor ~= '' then
    enrolled = heartbeat(holder, horizon)
    local stopped
    cursor, stopped = sweep(limit, most, holder, cursor)
    more = more or stopped
  end
  local wanted, got = limit - given, 0
  if wanted > 0 then
    local entries = read_new(holder, wanted)
    got = #entries
    if got < wanted then placed = 0 end  -- whatever this script had placed has been read
    for _, entry in ipairs(entries) do take(holder, most, entry[1], entry[2], 1) end
    more = more or got == wanted
  end

  keep_fences()
  forget_all()
  remember_all()
  if got < wanted and placed == 0 then call('DEL', bell) end  -- nothing is ready: rings that still lie there would lie
  ring_for_placed()

  claimed[1] = first_due() and math.ceil(math.max(0, first_due() - clock()) * 1000) or -1
  claimed[2], claimed[3], claimed[4] = cursor, (more or undone) and limit > 0 and 1 or 0, ARGV[first + 7] == '1' and count_left() or -1
  claimed[5], claimed[6], claimed[7], claimed[8] = enrolled, now(), messages, news or {}
  claimed[9], claimed[10] = last_fence - given + 1, unusual
  return claimed
end
