// True time of the simulated cluster: what happens when. Nobody in the cluster sees it; each node has a clock of its
// own (cluster-machine.ts).

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const before = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** A binary heap: the earliest first, and of those at one moment whoever came first. */
export class Queue {
  now = 0;
  #order = 0;
  readonly #heap: Due[] = [];

  after(ms: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ at: this.now + Math.max(0, ms), order: this.#order++, run });
    for (let i = heap.length - 1; i > 0; ) {
      const up = (i - 1) >> 1;
      const [a, b] = [heap[i], heap[up]];
      if (!a || !b || !before(a, b)) break;
      heap[i] = b;
      heap[up] = a;
      i = up;
    }
  }

  #pop(): Due | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return first;
    heap[0] = last;
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      const right = left + 1;
      let least = i;
      const less = (n: number): boolean => n < heap.length && before(heap[n] as Due, heap[least] as Due);
      if (less(left)) least = left;
      if (less(right)) least = right;
      if (least === i) return first;
      [heap[i], heap[least]] = [heap[least] as Due, heap[i] as Due];
      i = least;
    }
  }

  runUntil(end: number): void {
    for (let n = 0; n < 200_000; n++) {
      const [first] = this.#heap;
      if (!first || first.at > end) {
        this.now = end;
        return;
      }
      this.#pop();
      this.now = Math.max(this.now, first.at);
      first.run();
    }
    throw new Error('the cluster asks for more and more in no time');
  }
}
