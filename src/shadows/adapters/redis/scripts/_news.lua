local function is_before(one, other)
  local ms, seq = string.match(one, '^(%d+)%-(%d+)$')
  local other_ms, other_seq = string.match(other, '^(%d+)%-(%d+)$')
  if not ms or not other_ms then return one == '' and other ~= '' end
  if ms ~= other_ms then return tonumber(ms) < tonumber(other_ms) end
  return tonumber(seq) < tonumber(other_seq)
end

-- What a reader at this position does not know: {position, 1 if it is to forget what it knew, instructions}; nil when it knows all.
local function strike_news(position)
  local last = newest_strike()
  if position == last.id then return end
  local anew = last.id == '' or position == '' or is_before(last.id, position) or is_before(position, last.floor)
  local news = { last.id, anew and 1 or 0 }
  for _, entry in ipairs(call('XRANGE', strike_log, anew and '-' or '(' .. position, '+')) do news[#news + 1] = entry[2][2] end
  return news
end
