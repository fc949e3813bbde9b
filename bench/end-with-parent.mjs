// Of a process that works for another one: once that has ended, nobody wants its figures.

/** Ends this process when the one that started it does, however that ends: only that one holds its input open. */
export function endWithParent() {
  process.stdin.once('end', () => process.exit())
  process.stdin.resume().unref()
}
