import { expect, it } from 'vitest'
import { followJob, progressBar } from './follow-job.ts'
import { ReplayClientError, type ReplayClient } from './replay-client.ts'

it('draws the progress of a job, whatever the counts are', () => {
  expect(progressBar(0, 300)).toBe(`[${'-'.repeat(30)}] 0 of 300`)
  expect(progressBar(120, 300)).toBe(`[${'#'.repeat(12)}${'-'.repeat(18)}] 120 of 300`)
  // What failed again meanwhile is looked at too.
  expect(progressBar(301, 300)).toBe(`[${'#'.repeat(30)}] 301 of 300`)
  expect(progressBar(7, undefined)).toBe('7')
  expect(progressBar(0, 0)).toBe('0')
})

it('follows a job from before its first record until its end', async () => {
  const answers: (Record<string, unknown> | Error)[] = [
    new ReplayClientError('The replay service responds with status 404: {}'),
    { state: 'running', counts: { matched: 1 } },
    { state: 'done', counts: { matched: 2 } },
  ]
  const asked: string[] = []
  const get = (path: string) => {
    asked.push(path)
    const answer = answers.shift()!
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
  }
  await followJob({ get } as unknown as ReplayClient, 'j', { total: 2 })
  expect(asked).toEqual(['/v1/jobs/j', '/v1/jobs/j', '/v1/jobs/j'])
  const refused = { get: () => Promise.reject(new ReplayClientError('The token is not known')) }
  await expect(followJob(refused as unknown as ReplayClient, 'j')).rejects.toThrow(/token/)
})
