import { runService } from '@weir/runtime'
import { normalizer } from './index.ts'

await runService(normalizer)
