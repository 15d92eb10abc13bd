-- since: position of the reader.
-- Returns its news, {} when there are none.
-- Guarantee: who follows the positions hears of every strike and of every restore, also of those that happen by themselves.
local function since(first)
  return no_strikes() or strike_news(ARGV[first]) or {}
end
