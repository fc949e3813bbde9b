import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import type { LogLine } from './history.js'

/** Reads what has been added since the last call; returns all lines so far. */
export function readLines(path: string): () => readonly LogLine[] {
  const lines: LogLine[] = []
  let offset = 0
  let rest = ''
  return () => {
    if (!existsSync(path)) return lines
    const file = openSync(path, 'r')
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - offset)
      offset += readSync(file, bytes, 0, bytes.length, offset)
      const parts = (rest + bytes.toString()).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) {
        const line = parse(part)
        if (line) lines.push(line)
      }
    } finally {
      closeSync(file)
    }
    return lines
  }
}

/** A process that was killed may have written half a line. */
function parse(text: string): LogLine | undefined {
  if (text === '') return undefined
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return undefined
  }
}
