// Keys of which few come often: the k-th of them as often as 1 / k.

/** Returns a function that returns a key from 0 to `keys` - 1; the order is the same each time. */
export function zipf(keys) {
  const upTo = new Float64Array(keys)
  let sum = 0
  for (let key = 0; key < keys; key++) {
    sum += 1 / (key + 1)
    upTo[key] = sum
  }
  const random = seeded(7)
  return function nextKey() {
    const wanted = random() * sum
    let [low, high] = [0, keys - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (upTo[middle] < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** From 0 to 1: mulberry32, which is in the public domain. */
function seeded(seed) {
  let state = seed
  return function random() {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
