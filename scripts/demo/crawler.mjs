// Writes what the crawlers of an LLM Twin write: articles, posts and repositories with texts, users beside them, and
// some updates and deletes of earlier documents.

import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

/** The collections whose changes are published. */
export const collections = ['articles', 'posts', 'repositories']

const DOCUMENTS = 330
/** After each so many documents comes an update, a delete, a user. */
const UPDATE_EVERY = 3
const DELETE_EVERY = 7
const USER_EVERY = 11
/** Slow enough to be watched, fast enough to be patient with. */
const PAUSE_MS = 8

/** How many changes of the three collections will be written. */
export const planned = DOCUMENTS + Math.floor(DOCUMENTS / UPDATE_EVERY) + Math.floor(DOCUMENTS / DELETE_EVERY)

/**
 * Starts to write, and tells how far it is. `written` counts the changes of the three collections; users are written
 * beside them and are to be filtered.
 */
export function crawl(db, { signal }) {
  const crawling = { written: 0, users: 0, done: undefined }
  crawling.done = write(db, crawling, signal)
  crawling.done.catch(() => undefined) // awaited in the end; a stop before that isn't a crash
  return crawling
}

async function write(db, crawling, signal) {
  const alive = []
  for (let n = 1; n <= DOCUMENTS; n++) {
    signal.throwIfAborted()
    const [collection, document] = makeDocument(n)
    await db.collection(collection).insertOne(document)
    alive.push({ collection, id: document._id })
    crawling.written++
    if (n % UPDATE_EVERY === 0) await update(db, pick(alive, n), n, crawling)
    if (n % DELETE_EVERY === 0) await remove(db, alive.splice(n % alive.length, 1)[0], crawling)
    if (n % USER_EVERY === 0) {
      await db.collection('users').insertOne({ _id: randomUUID(), first_name: 'Ada', last_name: `Reader ${n}` })
      crawling.users++
    }
    await pause(PAUSE_MS)
  }
}

async function update(db, { collection, id }, n, crawling) {
  await db
    .collection(collection)
    .updateOne({ _id: id }, { $set: { link: `https://example.com/${collection}/${n}/v2`, seen: n } })
  crawling.written++
}

async function remove(db, { collection, id }, crawling) {
  await db.collection(collection).deleteOne({ _id: id })
  crawling.written++
}

function pick(list, n) {
  return list[(n * 7) % list.length]
}

function makeDocument(n) {
  const collection = collections[n % 3]
  const shared = { _id: randomUUID(), author_id: randomUUID(), author_full_name: 'Ada Reader' }
  if (collection === 'articles') {
    const content = {
      Title: `Change streams, part ${n}`,
      Subtitle: 'What polling never told you',
      Content: text(n, 40),
    }
    return [collection, { ...shared, platform: 'medium', link: `https://example.com/articles/${n}`, content }]
  }
  if (collection === 'posts') {
    return [
      collection,
      { ...shared, platform: 'linkedin', link: `https://example.com/posts/${n}`, content: { post: text(n, 12) } },
    ]
  }
  // Keys are file paths: they hold dots, which many tools take for a path into the document.
  const content = { 'README.md': text(n, 20), 'src/main.py': `print(${n})`, 'src/.hidden.cfg': 'a.b = c' }
  return [
    collection,
    { ...shared, platform: 'github', name: `twin-${n}`, link: `https://example.com/repos/${n}`, content },
  ]
}

function text(n, words) {
  const list = ['stream', 'token', 'queue', 'résumé', 'change', 'order', '文書', 'twin', 'vector', 'source']
  return Array.from({ length: words }, (_, index) => list[(n + index * 3) % list.length]).join(' ')
}
