import { runLoop } from './loop.ts';

runLoop(1);
