-- since: position of the reader.
-- Returns its news, {} when there are none.
-- Guarantee: who follows the positions hears of every strike and of every restore, also of those that happen by themselves.  Nothing is
-- written, for the reader may be one who only looks: what has ended by itself is restored in the answer, each time that one is asked for,
-- until somebody writes that down.
local function since(first)
  local position, ended = ARGV[first], {}
  last_strike = newest_entry()
  local overdue = last_strike.next_end and last_strike.next_end <= now()
  last_strike.next_end = nil
  local wrong = no_strikes()
  if wrong then return wrong end
  local news = strike_news(position)
  if not overdue then return news or {} end
  local answer = { last_strike.id, news and news[2] or 0 }
  for _, entry in ipairs(call('XRANGE', strike_log, '-', '+')) do
    local text = entry[2][2]
    local name, over = string.match(text, HEAD)
    if name and tonumber(over) and tonumber(over) <= now() then
      ended[text] = true
      answer[#answer + 1] = instruction_of(name, nil, 0, '-', nil, '')
    end
  end
  for i = 3, news and #news or 0 do
    if not ended[news[i]] then answer[#answer + 1] = news[i] end
  end
  return answer
end
