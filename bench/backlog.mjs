// The backlog: documents of about 1 KB, as a crawler writes them.

import { randomUUID } from 'node:crypto'

const BATCH = 5_000

/** Inserts the documents and returns the cluster time just before. */
export async function loadBacklog(collection, count) {
  const { operationTime } = await collection.db.admin().command({ hello: 1 })
  const filler = 'The quick brown fox reads change streams and never loses one. '.repeat(14).slice(0, 760)
  for (let done = 0; done < count; done += BATCH) {
    const documents = Array.from({ length: Math.min(BATCH, count - done) }, (_, index) => ({
      _id: randomUUID(),
      n: done + index,
      platform: 'medium',
      link: `https://example.com/articles/${done + index}`,
      author_id: randomUUID(),
      content: { Title: `Article ${done + index}`, Content: filler },
      at: new Date(),
      score: 0.5 + index,
    }))
    await collection.insertMany(documents, { ordered: false })
  }
  return { t: operationTime.t, i: operationTime.i + 1 }
}
