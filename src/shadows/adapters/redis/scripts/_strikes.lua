-- The strike log: a stream with one entry for each strike that is in force or was restored of late.  An entry has one field,
-- `instruction`: '1 NAME UNTIL HOLD FLOOR NEXT' and, behind a line break, the strike, which is empty for a restore; '-' stands for none.
-- (To look through a thousand entries of many fields takes five times as long.)  A position is the id of the last entry, '' when there
-- is none.  That entry also tells what holds for the whole log: FLOOR, the position behind which restores are not kept any more ('=':
-- its own), and NEXT, when the next strike ends by itself.
-- !releases has a field for each strike that was lifted while calls were held: 'ms between two of them, when the next is due'.
local strike_log, releases = base .. 'strikes', base .. '!releases'
local STRIKES_MAX, RESTORES_MAX = 1000, 100
local HEAD = '^%d+ (%S+) (%S+) (%S+) (%S+) (%S+)[^\n]*\n()'

local function read_floor(id, floor)
  if floor == '=' then return id end
  return floor == '-' and '' or floor
end

local function instruction_of(name, ends, hold, floor, next_end, strike)
  return table.concat({ 1, name, ends or '-', hold, floor, next_end or '-' }, ' ') .. '\n' .. strike
end

local function log_strike(...) return call('XADD', strike_log, '*', 'instruction', instruction_of(...)) end

-- What is held at these strikes is let go by the next claims, `pace` ms apart.
local function lift(names, pace)
  if #names == 0 or tried('ZCARD', at_strikes) == 0 then return end
  if not tried('HDEL', releases, '!after') then call('DEL', releases) end
  for _, name in ipairs(names) do call('HSET', releases, name, pace .. ' 0') end
  if not tried('ZADD', chores, now(), 'release') then call('DEL', chores) end
  ring(1)
end

-- Write one entry at the end of the log (or, with no name, only restores of what has expired), and remove what it makes needless.
-- Returns 1 if a strike of this name was in force, 0 if not, 'full' if no more are taken: then nothing was written.
local function write_strike(name, ends, hold, strike, pace)
  local gone, restores, expired, lifted, floor, next_end, found, others = {}, {}, {}, {}, '=', ends, 0, 0
  local moment = now()
  for _, entry in ipairs(call('XRANGE', strike_log, '-', '+')) do
    local id, text = entry[1], entry[2][2]
    local known, over, kept, low, _, body = string.match(text, HEAD)
    local is_strike, at = known and body <= #text, tonumber(over)
    if known then floor = read_floor(id, low) end
    if not known then
      gone[#gone + 1] = id
    elseif is_strike and at and at <= moment then
      gone[#gone + 1], expired[#expired + 1] = id, known
      if kept == '1' then lifted[#lifted + 1] = known end
    elseif known == name and (is_strike or strike ~= '') then
      gone[#gone + 1] = id
      if is_strike then found = 1 end
      if is_strike and kept == '1' and hold ~= '1' then lifted[#lifted + 1] = known end
    elseif is_strike then
      others = others + 1
      if at and (not next_end or at < next_end) then next_end = at end
    else
      restores[#restores + 1] = id
    end
  end
  if name and strike ~= '' and found == 0 and others >= STRIKES_MAX then return 'full' end
  if not name or (strike == '' and found == 0) then  -- the last entry tells of the whole log, so there must be a new one
    name, strike, ends, hold = table.remove(expired), '', nil, 0
    if not name then return found end
  end
  lift(lifted, pace or 0)
  for _, one in ipairs(expired) do
    if one ~= name then restores[#restores + 1] = log_strike(one, nil, 0, '-', nil, '') end
  end
  for i = 1, #restores + (strike == '' and 1 or 0) - RESTORES_MAX do
    gone[#gone + 1] = restores[i]
    floor = restores[i]
  end
  for i = 1, #gone, 1000 do call('XDEL', strike_log, unpack(gone, i, math.min(i + 999, #gone))) end
  log_strike(name, ends, hold, floor == '' and '-' or floor, next_end, strike)
  return found
end

local function newest_entry()
  local last = try('XREVRANGE', strike_log, '+', '-', 'COUNT', '1')
  if failed(last) then return { broken = true } end
  if not last[1] then return { id = '' } end
  local id, text = last[1][1], last[1][2][2]
  local _, _, _, floor, next_end = string.match(text, HEAD)
  return { id = id, floor = read_floor(id, floor or '='), next_end = tonumber(next_end) }
end

-- The newest entry of the log, when what has ended by itself is out of the way; looked for once in a script.
local last_strike
local function newest_strike()
  last_strike = last_strike or newest_entry()
  if last_strike.next_end and last_strike.next_end <= now() then
    write_strike()
    last_strike = newest_entry()
  end
  return last_strike
end

-- Say if the strike log holds something else.
local function no_strikes()
  if newest_strike().broken then return strike_log end
end
