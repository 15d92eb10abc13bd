-- What every gate says to a call, changing nothing.
-- The functions are made when the first call with gates is met, for most scripts meet none.
-- A call at its gates is a table: key, record, who (its run and its key), mark, gates, arrival, calm.  A gate is a table: kind, name,
-- most, span (ms), drop; slots and rates have a `line` of calls that wait, and a `set` of what was taken.
-- look(call) returns 'admitted', or the first answer that is another one:
--   'parked', nil, gate;  'delayed', moment, gate (none: a debounce);  'dropped', reason;  'broken', the key that holds something else.
local cooldowns, latest, parked = base .. '!cooldown:', base .. '!debounce:', base .. '!parked'

local function make_look()
  local ask_one = {}

  -- A newcomer is the newest of its debounces and waits; when it comes back, it must still be that.
  local function quiet(me)
    if me.calm then return end
    local wait
    for _, gate in ipairs(me.gates) do
      if gate.kind == 'debounce' then
        local last = tried('GET', latest .. gate.name)
        if last == nil then return 'broken', latest .. gate.name end
        if me.mark ~= 'settling' then
          wait = math.max(wait or 0, gate.span)
        elseif last and last ~= me.who then
          return 'dropped', 'debounced'
        end
      end
    end
    if wait then return 'delayed', now() + wait end
  end

  function ask_one.debounce() end

  function ask_one.cooldown(me, gate)
    local last = tried('GET', cooldowns .. gate.name)
    if last == nil then return 'broken', cooldowns .. gate.name end
    local till, who = string.match(last or '', '^(%d+) (.*)$')
    if till and tonumber(till) > now() and who ~= me.who then return 'dropped', 'cooldown' end
  end

  -- Whose slot it is already, or who finds one free while nobody waits there who came before.
  function ask_one.slots(me, gate)
    local held, mine = tried('SCARD', gate.set), tried('SISMEMBER', gate.set, me.key)
    if not held then return 'broken', gate.set end
    local first = tried('ZRANGE', gate.line, 0, 0, 'WITHSCORES')
    if not first then return 'broken', gate.line end
    if mine == 1 or (held < gate.most and tonumber(first[2] or me.arrival) >= me.arrival) then return end
    return 'parked', nil, gate
  end

  -- How many wait for their moment who came before.  A call that was evicted may stand there still, as the first.
  local function count_before(me, gate)
    local first = call('ZRANGE', gate.line, 0, 0)[1]
    local mark = first and tried('HGET', runs .. first, 'gate')
    if first and first ~= me.key and mark ~= 'reserved' then call('ZREM', gate.line, first) end
    return call('ZCOUNT', gate.line, '-inf', string.format('(%d', me.arrival))
  end

  -- Those who came before get the next openings: one for each token that leaves the window, again and again.
  function ask_one.rate(me, gate)
    local mine, waiting = tried('ZSCORE', gate.set, me.arrival), tried('ZCARD', gate.line)
    if mine == nil then return 'broken', gate.set end
    if not waiting then return 'broken', gate.line end
    if mine and tonumber(mine) > now() - gate.span then return end
    local before = waiting > 0 and count_before(me, gate) or 0
    local last = gate.most - before % gate.most - 1
    local token = call('ZREVRANGE', gate.set, last, last, 'WITHSCORES')[2]
    local opens = math.max(now(), token and tonumber(token) + gate.span or 0) + math.floor(before / gate.most) * gate.span
    if opens <= now() then return end
    if gate.drop then return 'dropped', 'rate_limit' end
    return 'delayed', opens, gate
  end

  return function(me)
    local word, detail, gate = quiet(me)
    for _, each in ipairs(me.gates) do
      if word then return word, detail, gate end
      word, detail, gate = ask_one[each.kind](me, each)
    end
    return word or 'admitted', detail, gate
  end
end
