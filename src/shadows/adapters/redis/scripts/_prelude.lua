-- Shared by every script.  KEYS = {stream, a key of the same slot that never exists};
-- ARGV = {base ("NAME:"), execution ttl ms, dead letter ttl ms, most dead letters, ...}; a verb's own arguments begin at ARGV[5].
-- User keys arrive percent-encoded where they could be taken for one of ours.  Times are whole milliseconds.
-- Lua does not roll back: whatever may fail is tried before the first write.  A verb answers with a list; a bare string names a key of
-- ours that holds something else, and then nothing was written.
local stream, base = KEYS[1], ARGV[1]
local TTL, DEAD_TTL, DEAD_MAX = ARGV[2], ARGV[3], ARGV[4]  -- as text, which is what commands take
local queue, bell, dead_letters, strangers = base .. 'queue', base .. '!bell', base .. '!dead', base .. '!unknown'
local fences, requests, workers = base .. '!fence', base .. '!requests', base .. 'workers'
local runs, results, successors, reports = base .. 'runs:', base .. 'results:', base .. '!next:', base .. '!progress:'
local past, schedules, at_strikes, gated = base .. '!past:', base .. '!schedules', base .. '!held', base .. '!gates:'
local GROUP, SMALL, SINGLES, BELL_MAX, BELL_TTL = 'workers', 64, 2, 64, 60000
local REMEMBER, REMEMBER_MAX = 60000, 10000
local LIVE = { scheduled = true, queued = true, running = true, parked = true }
local call, try = redis.call, redis.pcall

local function now() return math.floor(clock()) end

-- The same as text: for the server to write a number costs as much as for it to look one up.  What is often asked is asked in text only.
local stamped
local function stamp()
  stamped = stamped or string.format('%d', now())
  return stamped
end

-- Whether a command met a key of another type, or no group.  Any other error (no memory, read only, not allowed) is the whole script's.
local function failed(answer)
  local text = type(answer) == 'table' and answer.err
  if not text then return false end
  for _, expected in ipairs({ 'WRONGTYPE', 'NOGROUP', 'no such key' }) do
    if string.find(text, expected, 1, true) then return true end
  end
  error(text, 0)
end

-- Like try, but nil where the key is of another type.
local function tried(...)
  local answer = try(...)
  if failed(answer) then return nil end
  return answer
end

-- When the first of the scheduled calls is due; looked for again only when one has come or gone.  Nobody else writes to the queue.
local earliest, is_earliest_known

-- Returns whether the queue is something else.
local function look_at_queue()
  local first = try('ZRANGE', queue, '0', '0', 'WITHSCORES')
  if failed(first) then return true end
  earliest, is_earliest_known = tonumber(first[2]), true
end

local function first_due()
  if not is_earliest_known then look_at_queue() end
  return earliest
end

-- Returns whether the queue is something else.
local function enter_queue(due, key)
  is_earliest_known = false
  return failed(try('ZADD', queue, due, key))
end

local function leave_queue(...)
  is_earliest_known = false
  call('ZREM', queue, ...)
end

-- Say which of the keys that every verb needs holds something else, if one does.  In one script they are looked at once.
local ours, counts = false, false
local function overwritten()
  if ours then return end
  if failed(try('XLEN', stream)) then return stream end
  if look_at_queue() then return queue end
  ours = true
end

local last_fence, written_fence
local function no_fences()
  if counts then return end
  local last = try('GET', fences)
  if failed(last) or (last and not tonumber(last)) then return fences end
  last_fence = tonumber(last or 0)
  counts = true
end

-- Return a new fence; no_fences has found that there are some, and keep_fences is to be called at the end.
-- A server may lose what it did last: an older copy of its memory is loaded, or a replica takes over that had not heard of it.  Who holds a
-- lease from then must find another fence on the call when he comes to settle it, so fences go up with the clock, as the ids of messages
-- do.  They count microseconds, of which there are more than leases can be given.
local function new_fence()
  last_fence = (written_fence and last_fence or math.max(last_fence, math.floor(clock() * 1000))) + 1
  written_fence = string.format('%d', last_fence)  -- Lua itself writes down 14 digits, and they have 16
  return written_fence
end

local function keep_fences()
  if written_fence then call('SET', fences, written_fence) end
end

-- Write what most records do not have, and that there is such a thing: those who end a call look for it only then.
local function annotate(record, ...) call('HSET', record, 'more', '1', ...) end

-- A record says of its lease when it began and who has it: of all that one claim leases it is the same text.
local function read_lease(lease)
  local started, worker = string.match(lease or '', '^(%d+) (.*)$')
  return worker or '', started or ''
end

-- Tell those who asked to hear of this record.
local function announce(key, what, watched, fence)
  if watched then call('PUBLISH', base .. '!events:' .. key, table.concat({ what, fence or '', now() }, ' ')) end
end

-- Wake `count` sleeping workers; rings that nobody answers are few, and fade.
local function ring(count)
  if count < 1 then return end
  local waiting = try('LLEN', bell)
  if failed(waiting) then
    call('DEL', bell)
    waiting = 0
  end
  local rings = {}
  for i = 1, math.min(count, BELL_MAX - waiting) do rings[i] = '1' end
  if #rings > 0 and call('LPUSH', bell, unpack(rings)) == #rings then call('PEXPIRE', bell, BELL_TTL) end
end

-- The payload rests in the record while it fits its compact encoding, else beside it.
local function stash(key, record, payload, ...)
  if #payload > SMALL then
    call('DEL', base .. key)
    call('HSET', base .. key, 'payload', payload)
    call('HSET', record, ...)
  else
    call('HSET', record, 'payload', payload, ...)
  end
end

local function fetch(key, inline)
  if inline then return inline end
  local beside = try('HGET', base .. key, 'payload')
  return not failed(beside) and beside or nil
end

-- The message has the payload now.  Of what lies beside it is not even asked where the record had it: among a million, to look costs.
local function unstash(key, record, inline)
  if inline then call('HDEL', record, 'payload') else call('DEL', base .. key) end
end

-- The consumer group vanishes with a FLUSHALL or at somebody's hand: make it again before anything needs it.
local function ensure_group()
  if failed(try('XPENDING', stream, GROUP)) then call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM') end
end

-- What was placed by this script, for the bell at its end.
local placed, soonest = 0, nil

-- Returns the key that holds something else, if one does; where overwritten() has looked, none does.
local function enqueue(key, record, attempt, when, payload, ...)
  local id
  if attempt == '1' then
    id = try('XADD', stream, '*', 'v1', key, 'payload', payload, 'when', when)
  else
    id = try('XADD', stream, '*', 'v1', key, 'payload', payload, 'when', when, 'attempt', attempt)
  end
  if failed(id) then return stream end
  call('HSET', record, 'state', 'queued', 'id', id, ...)
  placed = placed + 1
end

-- Put a call where its time (nil or past: at once) says that it belongs; what follows `payload` are further fields of the record.
-- Returns the key that holds something else, if one does: then nothing was written of a first attempt.
local function place(key, record, due, attempt, payload, ...)
  if attempt ~= '1' and tonumber(attempt) > 1 then call('HSET', record, 'attempt', attempt) end
  if not due or due <= now() then return enqueue(key, record, attempt, due or '', payload, ...) end
  if enter_queue(due, key) then return queue end
  stash(key, record, payload, 'state', 'scheduled', ...)
  if not soonest or due < soonest then soonest = due end
end

-- '' is at once, '+n' is n ms from now, 'n' an instant.
local function resolve(due)
  if due == '' then return nil end
  if string.sub(due, 1, 1) == '+' then return now() + tonumber(due) end
  return tonumber(due)
end

-- Ring for what was placed: once for each call that can start now, once for a new earliest time.
local function ring_for_placed()
  if soonest and placed == 0 then
    local first = first_due()
    if first and first >= soonest then placed = 1 end
  end
  ring(placed)
  placed, soonest = 0, nil
end

-- Messages that are done with, acknowledged and deleted together at the script's end.
local finished = {}
local function forget(id) finished[#finished + 1] = id end

-- To delete one entry, a server reads all before it in its block; one cut takes them where they are the oldest, as they mostly are: what is
-- older than the oldest pending message has been delivered and acknowledged.  Returns whether it took all.
local function cut_off()
  local pending = #finished > SINGLES and tried('XPENDING', stream, GROUP, '-', '+', '1')
  local oldest = pending and pending[1] and pending[1][1]
  if not oldest or oldest < finished[1] then return false end  -- as text: where that is mistaken, the count below tells
  return call('XTRIM', stream, 'MINID', oldest) == #finished
end

local function forget_all()
  if #finished == 0 then return end
  for i = 1, #finished, 1000 do call('XACK', stream, GROUP, unpack(finished, i, math.min(i + 999, #finished))) end
  for i = 1, cut_off() and 0 or #finished, 1000 do call('XDEL', stream, unpack(finished, i, math.min(i + 999, #finished))) end
  finished = {}
end

-- What a call with gates holds is given back (see _gates.lua); `keep` says what is remembered of it.
local let_go
local function let_go_if_gated(key)
  if call('EXISTS', gated .. key) == 1 then let_go(key) end
end

-- Whether the holder has this message, whatever its record says.
local function holds(holder, id)
  for _, each in ipairs(finished) do
    if each == id then return false end
  end
  local row = try('XPENDING', stream, GROUP, id, id, 1, holder)
  return not failed(row) and #row == 1
end

-- Runs that left no record, remembered for a while so that a repeated request gets its first answer.
local remembered, just_remembered = {}, {}
local function name_of(run, key)
  if run and run ~= '' then return 'run ' .. run end
  return 'key ' .. key
end

local function remember(run, key)
  local name = name_of(run, key)
  remembered[#remembered + 1] = now()
  remembered[#remembered + 1] = name
  just_remembered[name] = true
end

local function remember_all()
  if #remembered == 0 then return end
  if failed(try('ZADD', requests, unpack(remembered))) then call('DEL', requests) return end
  call('ZREMRANGEBYRANK', requests, 0, -REMEMBER_MAX - 1)
  call('PEXPIRE', requests, REMEMBER)
  remembered = {}
end

-- The end of every script that writes.
local function finish()
  forget_all()
  remember_all()
  ring_for_placed()
end

-- The record was evicted: its progress is over, but a successor that it had still follows.  Returns the successor's run.
local function recall(key)
  call('DEL', reports .. key)
  let_go_if_gated(key)
  local successor = try('HGET', successors .. key, 'run')
  return not failed(successor) and successor or nil
end

-- Remove everything that is kept for a key.
local function wipe(key, record) call('DEL', record, results .. key, base .. key, reports .. key) end

-- Add a dead letter.  Returns its id, or false if the list is not ours any more: then nothing may be thrown away.
local function bury(fields)
  local id = try('XADD', dead_letters, 'MAXLEN', DEAD_MAX, '*', 'died', now(), unpack(fields))
  if failed(id) then return false end
  call('XTRIM', dead_letters, 'MINID', '~', now() - DEAD_TTL)
  return id
end

-- Values of any bytes as one string: '5:hello,3:you,'.
local function netstrings(values, first, last)
  local out = {}
  for i = first, last do out[#out + 1] = #values[i] .. ':' .. values[i] .. ',' end
  return table.concat(out)
end

-- An entry that cannot be read, raw (a stranger may send very many fields).
local function quarantine(id, fields)
  return bury({ 'reason', 'undecodable', 'entry', id, 'payload', netstrings(fields, 1, math.min(#fields, 200)) })
end

-- The successor of a running call takes the key.
local function succeed(key, record)
  local found = try('HMGET', successors .. key, 'due', 'run', 'payload')
  wipe(key, record)
  call('DEL', successors .. key)
  if failed(found) or not found[3] then return end
  local more = found[2] ~= '' and { 'run', found[2] } or {}
  place(key, record, tonumber(found[1]), '1', found[3], unpack(more))
end

-- Where the record of an ended run lies when its key has gone on to the next occurrence; a run's id holds no colon.
local function past_of(run, key) return past .. (run or '') .. ':' .. key end

-- Somebody decided against this run: if seeds keep its key alive, they do so no more until a worker starts anew.
local function stop(key)
  local known = try('HEXISTS', schedules, 'seen:' .. key)
  if not failed(known) and known == 1 then call('HSET', schedules, 'stopped:' .. key, 1) end
end

-- End a run: `marks` are the last fields of its record, `result` its outcome ('' for none).  A successor takes the key at once.
local function close(key, record, seen, state, ttl, result, marks)
  if seen.gate then let_go(key) end
  if seen.cancel and not seen.successor then stop(key) end
  if seen.successor then
    remember(seen.run, key)
    succeed(key, record)
  elseif ttl ~= '0' then
    call('HSET', record, 'state', state, 'ended', stamp(), unpack(marks))
    call('PEXPIRE', record, ttl)
    if seen.reported then call('PEXPIRE', reports .. key, ttl) end
    if result ~= '' then call('SET', results .. key, result, 'PX', ttl) end
  else
    remember(seen.run, key)
    wipe(key, record)
  end
  if seen.watched then announce(key, state, seen.watched, seen.fence) end
end

-- End a run that nothing can be done for, and keep its payload with the reason.  Returns false if it could not be kept.
local function give_up(key, record, seen, reason, attempt, deliveries, payload)
  local letter = { 'reason', reason, 'key', key, 'attempt', attempt, 'deliveries', deliveries, 'payload', payload }
  local id = bury(letter)
  if not id then return false end
  close(key, record, seen, 'failed', DEAD_TTL, '', { 'reason', reason, 'attempt', attempt, 'letter', id })
  return true
end

-- Take a waiting call out of wherever it waits; its record is left for the caller.
local function displace(key, record, state)
  local id, stranger, gate = unpack(call('HMGET', record, 'id', 'unknown', 'gate'), 1, 3)
  if gate then let_go(key) end
  if state == 'queued' then
    call('XDEL', stream, id)
  else
    leave_queue(key)
    call('DEL', base .. key)
  end
  if stranger then try('SREM', strangers, key) end
end

-- Somebody deleted the message: nobody will ever run or end that call.
local function is_stranded(state, id)
  return (state == 'queued' or state == 'running') and not (id and call('XRANGE', stream, id, id)[1])
end

-- Whether these bytes are text: UTF-8 sequences are put aside one kind after another, and nothing else may be left.
local function is_text(bytes)
  if not string.find(bytes, '[\128-\255]') then return true end
  local rest = bytes
  for _, sequence in ipairs({
    '\240[\144-\191][\128-\191][\128-\191]', '[\241-\243][\128-\191][\128-\191][\128-\191]', '\244[\128-\143][\128-\191][\128-\191]',
    '\224[\160-\191][\128-\191]', '[\225-\236\238\239][\128-\191][\128-\191]', '\237[\128-\159][\128-\191]', '[\194-\223][\128-\191]',
  }) do
    rest = string.gsub(rest, sequence, ' ')
  end
  return not string.find(rest, '[\128-\255]')
end

-- Whether a user's key can have been encoded like this.
local function is_key(name)
  if name == '' or #name > 1536 then return false end
  if string.find(name, '^%w+$') then return true end  -- as nearly all are
  if not string.find(name, '[%%\128-\255]') then return true end
  local plain = string.gsub(name, '%%(%x%x)', function(digits) return string.char(tonumber(digits, 16)) end)
  return is_text(plain) and is_text(name)
end

-- Returns key, attempt, due ('': as its id says), payload; or nothing, and whether a newer version may be able to read it.
local function read_entry(fields)
  local version = fields[1] or ''
  if version ~= 'v1' then return nil, string.find(version, '^v[1-9]%d?%d?%d?$') end
  local key, payload, attempt, when = fields[2], fields[4], '1', ''
  if fields[3] ~= 'payload' or not is_key(key) then return end
  for i = 5, #fields, 2 do
    if fields[i] == 'attempt' then attempt = fields[i + 1] elseif fields[i] == 'when' then when = fields[i + 1] end
  end
  if attempt ~= '1' and (not string.find(attempt, '^[1-9]%d*$') or #attempt > 9) then return end
  if when == '' or (string.find(when, '^%d+$') and #when <= 15) then return key, attempt, when, payload end
end

local function due_of(id, when) return when ~= '' and when or string.match(id, '^%d+') end

-- How many leases this attempt has had.
local function deliveries_of(id, lost)
  local row = try('XPENDING', stream, GROUP, id, id, 1)
  if failed(row) or #row == 0 then return 0 end
  return row[1][4] + (tonumber(lost) or 0)
end
