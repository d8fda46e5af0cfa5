import { runService } from '@weir/service-kit'
import { dedup } from './index.ts'

await runService(dedup)
