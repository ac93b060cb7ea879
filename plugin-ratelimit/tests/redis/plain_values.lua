-- One decision over one bucket, kept as the moment at which it is full again: nanoseconds since 1970.
-- KEYS[1] the bucket. ARGV: interval, tolerance (ns), tokens, most, shift (ns).
-- Takes from `tokens` to `most` of what is there, or nothing. `shift` is paid (above zero) or given back (below) first.
-- Answers {taken, debt in ns}. What is absent, or in the past, is a full bucket; nothing is ever owed beyond `tolerance`.
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens, most, shift = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local seconds, nanos = tonumber(time[1]), tonumber(time[2]) * 1000
local debt = 0
local value = redis.call('GET', KEYS[1])
if value then
  -- A double does not hold nanoseconds since 1970, so the two parts are read one by one.
  local s, n = tonumber(string.sub(value, 1, -10)), tonumber(string.sub(value, -9))
  if not (s and n) then
    return redis.error_reply('WRONGTYPE the value is not that of a rate limit')
  end
  debt = (s - seconds) * 1e9 + (n - nanos)
end
-- After a change to a faster limit, or of the clock. It must be kept, or the debt would be as large at the next question; but not
-- of a look, which asks for nothing and may come with another limit.
local is_less = debt > tolerance and tokens > 0
debt = math.min(math.max(debt, 0), tolerance)
if shift ~= 0 then
  debt = math.min(math.max(debt + shift, 0), tolerance)
end
local taken = 0
local free = math.floor((tolerance - debt) / interval)
if tokens <= free then
  taken = math.min(most, free)
  debt = debt + taken * interval
end
if taken > 0 or shift ~= 0 or is_less then
  local sum = nanos + debt
  local text = string.format('%.0f%09.0f', seconds + math.floor(sum / 1e9), sum % 1e9)
  redis.call('SET', KEYS[1], text, 'PX', string.format('%.0f', math.floor(debt / 1e6) + 1))
end
return {taken, debt}
