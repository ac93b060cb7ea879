-- One decision over one bucket, kept as the moment at which it is full again, beside the terms that this is counted at.
-- KEYS[1] the bucket. ARGV: interval, tolerance (ns), tokens, most, shift (ns).
-- Takes from `tokens` to `most` of what is there, or nothing. `shift` is paid (above zero) or given back (below) first.
-- Answers {taken, ns until the bucket is full, interval}: a token comes back in each interval, which is the asker's or, where others
-- owe at a faster one, theirs. What is absent, or in the past, is a full bucket.
--
-- Who asks may have other settings than who asked before, for as long as a change goes round. What is owed is tokens, at the
-- interval of the one who wrote them, and each counts them at his own: so none of them refills what another has used up.
--
-- The value is one number, written in five fields:
--   the seconds since 1970 at which the bucket is full again, without leading zeros
--   `.00000000`
--   17 digits: the interval that this is counted at, in ns (`pace` below)
--   17 digits: the most that anybody can owe, in ns at that interval (`bound` below)
--   9 digits: the nanoseconds of the moment
-- Gateways of before write the first and the last field alone. Such a value is read at the asker's interval, and its bound is the
-- longest time that settings allow. They read the five fields as well: they take the last 9 digits for the nanoseconds and all
-- that stands before for a number of seconds, and a double of so many seconds has no room for what stands behind the zeros.
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens, most, shift = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local seconds, nanos = tonumber(time[1]), tonumber(time[2]) * 1000
local stored, pace, bound, is_cut = 0, interval, tolerance, false
local value = redis.call('GET', KEYS[1])
if value then
  -- A double does not hold nanoseconds since 1970, so the two parts are read one by one.
  local s, n = string.sub(value, 1, -10), tonumber(string.sub(value, -9))
  -- The dot.
  if string.byte(value, -52) == 46 then
    s = string.sub(value, 1, -53)
    pace, bound = tonumber(string.sub(value, -43, -27)), tonumber(string.sub(value, -26, -10))
  else
    bound = 365 * 24 * 3600 * 1e9
  end
  s = tonumber(s)
  -- What is no number is not equal to itself.
  if not (s and n and bound and pace and pace > 0 and bound >= 0 and s == s and n == n) then
    return redis.error_reply('WRONGTYPE the value is not that of a rate limit')
  end
  stored = math.max((s - seconds) * 1e9 + (n - nanos), 0)
  if stored == 0 then pace, bound = interval, tolerance end
  -- Nobody can owe so much: the clock was set back. It must be kept, or it would be as much at the next question.
  is_cut = stored > bound
  stored = math.min(stored, bound)
end
-- Rounded up wherever it is counted at another interval: no part of a token is given away.
local function counted(debt, from, to)
  if from == to then return debt end
  return math.ceil(debt * to / from)
end
local before = counted(stored, pace, interval)
local debt = before
if shift > 0 then
  debt = math.max(debt, math.min(debt + shift, tolerance))
elseif shift < 0 then
  debt = math.max(debt + shift, 0)
end
local taken = 0
local free = math.floor((tolerance - debt) / interval)
if tokens <= free then
  taken = math.min(most, free)
  debt = debt + taken * interval
end
-- After a change to a faster limit who is refused must write it, or what is owed would come back as slowly as before. A look asks
-- for nothing, may come with another limit, and writes nothing.
local is_faster = debt > 0 and interval < pace
if taken > 0 or shift ~= 0 or (tokens > 0 and (is_cut or is_faster)) then
  if taken > 0 or interval <= pace then
    bound = debt > tolerance and counted(bound, pace, interval) or tolerance
    stored, pace = debt, interval
  else
    -- Who takes nothing does not slow down what others owe.
    if debt ~= before then
      -- Counted there and back it is up to 1 ns more: that is not owed beyond what his bucket, or that of the others, holds.
      local top = math.max(bound, counted(tolerance, interval, pace))
      stored = math.min(counted(debt, interval, pace), top)
      if stored > bound then bound = top end
    end
  end
  local sum = nanos + stored
  local text = string.format('%.0f.00000000%017.0f%017.0f%09.0f', seconds + math.floor(sum / 1e9), pace, bound, sum % 1e9)
  redis.call('SET', KEYS[1], text, 'PX', string.format('%.0f', math.floor(stored / 1e6) + 1))
end
-- What others owe goes at their pace, so that it fits as soon. A slower one ends with the question: who asks sets his own.
if pace < interval then return {taken, stored, pace} end
return {taken, debt, interval}
