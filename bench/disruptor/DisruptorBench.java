import com.lmax.disruptor.BatchEventProcessor;
import com.lmax.disruptor.BusySpinWaitStrategy;
import com.lmax.disruptor.EventHandler;
import com.lmax.disruptor.RingBuffer;
import com.lmax.disruptor.Sequence;
import com.lmax.disruptor.SequenceBarrier;
import com.lmax.disruptor.WaitStrategy;
import com.lmax.disruptor.YieldingWaitStrategy;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;

/**
 * The LMAX Disruptor doing what bench/ring.py does: one producer, one consumer, 64 bytes an event,
 * every event published by itself and checksummed. Prints one figure a run.
 *
 * <p>throughput SLOTS EVENTS RUNS busy|yield: millions of events a second.
 * pingpong SLOTS ROUNDS RUNS: nanoseconds, half a round trip, median of batches.
 */
public final class DisruptorBench {
    static final int ROUNDS_A_BATCH = 1_000;

    static final class Event {
        long a, b, c, d, e, f, g, h;

        void fill(long i) {
            a = i; b = i + 1; c = i + 2; d = i + 3; e = i + 4; f = i + 5; g = i + 6; h = i + 7;
        }

        long sum() {
            return a + b + c + d + e + f + g + h;
        }
    }

    static final class Summing implements EventHandler<Event> {
        private final long last;
        private final CountDownLatch done;
        long sum;

        Summing(long last, CountDownLatch done) {
            this.last = last;
            this.done = done;
        }

        @Override
        public void onEvent(Event event, long sequence, boolean endOfBatch) {
            sum += event.sum();
            if (sequence == last) {
                done.countDown();
            }
        }
    }

    static double throughput(int slots, long events, WaitStrategy wait) throws Exception {
        RingBuffer<Event> ring = RingBuffer.createSingleProducer(Event::new, slots, wait);
        CountDownLatch done = new CountDownLatch(1);
        Summing summing = new Summing(events - 1, done);
        BatchEventProcessor<Event> processor = new BatchEventProcessor<>(ring, ring.newBarrier(), summing);
        ring.addGatingSequences(processor.getSequence());
        Thread consumer = new Thread(processor);
        consumer.start();
        Thread.sleep(20);
        long begin = System.nanoTime();
        for (long i = 0; i < events; i++) {
            long sequence = ring.next();
            ring.get(sequence).fill(i);
            ring.publish(sequence);
        }
        done.await();
        long elapsed = System.nanoTime() - begin;
        processor.halt();
        consumer.join();
        if (summing.sum != events * (events - 1) * 4 + 28 * events) {
            throw new IllegalStateException("checksum");
        }
        return events * 1e3 / elapsed;
    }

    static double pingpong(int slots, int rounds) throws Exception {
        WaitStrategy wait = new BusySpinWaitStrategy();
        RingBuffer<Event> there = RingBuffer.createSingleProducer(Event::new, slots, wait);
        RingBuffer<Event> back = RingBuffer.createSingleProducer(Event::new, slots, wait);
        Thread ponger = new Thread(() -> pong(there, back, rounds));
        Sequence read = new Sequence(-1);
        back.addGatingSequences(read);
        SequenceBarrier barrier = back.newBarrier();
        ponger.start();
        double[] batches = new double[rounds / ROUNDS_A_BATCH];
        long next = 0;
        for (int batch = 0; batch < batches.length; batch++) {
            long begin = System.nanoTime();
            for (int i = 0; i < ROUNDS_A_BATCH; i++, next++) {
                send(there, next);
                barrier.waitFor(next);
                check(back.get(next).a == next);
                read.set(next);
            }
            batches[batch] = (System.nanoTime() - begin) / 2.0 / ROUNDS_A_BATCH;
        }
        ponger.join();
        Arrays.sort(batches);
        return batches[batches.length / 2];
    }

    static void pong(RingBuffer<Event> there, RingBuffer<Event> back, int rounds) {
        Sequence read = new Sequence(-1);
        there.addGatingSequences(read);
        SequenceBarrier barrier = there.newBarrier();
        try {
            for (long next = 0; next < rounds; next++) {
                barrier.waitFor(next);
                long value = there.get(next).a;
                read.set(next);
                send(back, value);
            }
        } catch (Exception failure) {
            throw new IllegalStateException(failure);
        }
    }

    static void send(RingBuffer<Event> ring, long value) {
        long sequence = ring.next();
        ring.get(sequence).fill(value);
        ring.publish(sequence);
    }

    static void check(boolean holds) {
        if (!holds) {
            throw new IllegalStateException("a reply out of order");
        }
    }

    public static void main(String[] arguments) throws Exception {
        int slots = Integer.parseInt(arguments[1]);
        int count = Integer.parseInt(arguments[2]);
        int runs = Integer.parseInt(arguments[3]);
        for (int run = -1; run < runs; run++) { // the first warms up
            double figure = arguments[0].equals("pingpong")
                ? pingpong(slots, count)
                : throughput(
                    slots, count,
                    arguments[4].equals("busy") ? new BusySpinWaitStrategy() : new YieldingWaitStrategy());
            if (run >= 0) {
                System.out.println(figure);
            }
        }
    }
}
