// Versions of what is measured.

import { readFileSync } from 'node:fs'

/** The npm package that is compared with; later versions ask for packages that can't be had. */
export const PEER = { name: 'mongochangestream', version: '0.55.0' }

/** Of this library. */
export const OURS = versionIn('package.json')

/** Of a package that this repository works with. */
export function versionOf(name) {
  return versionIn(`node_modules/${name}/package.json`) // few packages let this file be imported
}

function versionIn(path) {
  return JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')).version
}
