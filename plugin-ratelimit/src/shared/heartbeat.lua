-- An instance says that it is there, and hears how many there are.
-- KEYS[1] the set of instances by their last heartbeat. ARGV: this instance, the age in ms at which one counts as gone.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local age = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - age)
-- Of a server whose clock was ahead.
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + age, '+inf')
redis.call('PEXPIRE', KEYS[1], age)
return redis.call('ZCARD', KEYS[1])
