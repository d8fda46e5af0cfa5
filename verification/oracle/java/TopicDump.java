import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads topics as any consumer of committed records does, with Kafka's own client, and writes one JSON object a line:
 * first every partition of the cluster with its offsets, then what groups have committed, then the records, topic by
 * topic in the order of the arguments. Reads up to the ends that it found at its start.
 *
 * <p>Arguments: brokers, output file, prefix of topics and groups, groups (with commas), names of headers (with
 * commas), and topics; a topic with a trailing `+` is dumped with its values. Ends with 1 when the cluster cannot be
 * read.
 */
public final class TopicDump {
  private static final int TIMEOUT_MS = 60_000;
  /** A partition from which nothing came for so long, although its end says that there is more. */
  private static final long STILL_MS_MAX = 60_000;

  private final String prefix;
  private final Set<String> headerNames;
  private final BufferedWriter out;
  private final MessageDigest sha256;

  private TopicDump(String prefix, Set<String> headerNames, BufferedWriter out) throws Exception {
    this.prefix = prefix;
    this.headerNames = headerNames;
    this.out = out;
    this.sha256 = MessageDigest.getInstance("SHA-256");
  }

  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    settings.put("default.api.timeout.ms", TIMEOUT_MS);
    List<String> topics = List.of(args).subList(5, args.length);
    try (BufferedWriter out = Files.newBufferedWriter(Path.of(args[1]))) {
      TopicDump dump = new TopicDump(args[2], Set.of(args[4].split(",")), out);
      try (Admin admin = Admin.create(settings)) {
        dump.partitions(admin);
        for (String group : args[3].split(",")) dump.commits(admin, group);
      }
      settings.put("isolation.level", "read_committed");
      settings.put("enable.auto.commit", "false");
      settings.put("auto.offset.reset", "none");
      settings.put("check.crcs", "true");
      settings.put("max.poll.records", 10_000);
      // A fetch of the topic before is still under way when the next one begins.
      settings.put("fetch.max.wait.ms", 20);
      settings.put("fetch.max.bytes", 16_777_216);
      settings.put("max.partition.fetch.bytes", 4_194_304);
      var bytes = new ByteArrayDeserializer();
      try (var consumer = new KafkaConsumer<byte[], byte[]>(settings, bytes, bytes)) {
        for (String topic : topics) {
          boolean withValues = topic.endsWith("+");
          dump.records(consumer, withValues ? topic.substring(0, topic.length() - 1) : topic, withValues);
        }
      }
      out.write("{\"is\":\"end\"}\n");
    }
  }

  private void partitions(Admin admin) throws Exception {
    Set<String> names = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
    Collection<String> seen = new TreeSet<>();
    for (String name : names) if (name.startsWith("__") || name.startsWith(prefix)) seen.add(name);
    Map<String, TopicDescription> topics = admin.describeTopics(seen).allTopicNames().get();
    List<TopicPartition> all = new ArrayList<>();
    topics.forEach((name, it) -> it.partitions().forEach(one -> all.add(new TopicPartition(name, one.partition()))));
    var starts = ends(admin, all, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED);
    var stable = ends(admin, all, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED);
    var high = ends(admin, all, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED);
    for (TopicPartition one : all) {
      line(
          "{\"is\":\"partition\",\"topic\":\"" + strip(one.topic()) + "\",\"partition\":" + one.partition()
              + ",\"start\":" + starts.get(one).offset() + ",\"stable\":" + stable.get(one).offset()
              + ",\"high\":" + high.get(one).offset() + "}");
    }
  }

  private static Map<TopicPartition, ListOffsetsResultInfo> ends(
      Admin admin, List<TopicPartition> all, OffsetSpec spec, IsolationLevel level) throws Exception {
    Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
    for (TopicPartition one : all) wanted.put(one, spec);
    return admin.listOffsets(wanted, new ListOffsetsOptions(level)).all().get();
  }

  private void commits(Admin admin, String group) throws Exception {
    Map<TopicPartition, OffsetAndMetadata> found;
    try {
      found = admin.listConsumerGroupOffsets(prefix + group).partitionsToOffsetAndMetadata().get();
    } catch (ExecutionException error) {
      if (error.getCause() instanceof GroupIdNotFoundException) return;
      throw error;
    }
    for (var entry : found.entrySet()) {
      if (entry.getValue() == null) continue;
      TopicPartition at = entry.getKey();
      line(
          "{\"is\":\"commit\",\"group\":\"" + group + "\",\"topic\":\"" + strip(at.topic()) + "\",\"partition\":"
              + at.partition() + ",\"offset\":" + entry.getValue().offset() + "}");
    }
  }

  private void records(KafkaConsumer<byte[], byte[]> consumer, String topic, boolean withValues) throws Exception {
    List<TopicPartition> all = new ArrayList<>();
    var found = consumer.partitionsFor(prefix + topic);
    if (found != null) found.forEach(it -> all.add(new TopicPartition(it.topic(), it.partition())));
    if (all.isEmpty()) return;
    consumer.assign(all);
    consumer.seekToBeginning(all);
    Map<TopicPartition, Long> ends = consumer.endOffsets(all);
    Set<TopicPartition> open = new HashSet<>(all);
    long movedAt = System.nanoTime();
    while (true) {
      open.removeIf(one -> consumer.position(one) >= ends.get(one));
      if (open.isEmpty()) return;
      ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(200));
      for (ConsumerRecord<byte[], byte[]> record : records) {
        long end = ends.get(new TopicPartition(record.topic(), record.partition()));
        if (record.offset() < end) write(record, topic, all.size(), withValues);
      }
      if (!records.isEmpty()) movedAt = System.nanoTime();
      if ((System.nanoTime() - movedAt) / 1_000_000 > STILL_MS_MAX)
        throw new IOException("nothing comes of " + open + ", which end at " + ends);
    }
  }

  private void write(ConsumerRecord<byte[], byte[]> record, String topic, int partitions, boolean withValue)
      throws IOException {
    StringBuilder text = new StringBuilder(400);
    text.append("{\"is\":\"record\",\"topic\":\"").append(topic).append("\",\"partition\":");
    text.append(record.partition()).append(",\"offset\":").append(record.offset());
    text.append(",\"timestamp\":").append(record.timestamp());
    byte[] key = record.key();
    if (key != null) {
      text.append(",\"key\":\"").append(base64(key)).append('"');
      text.append(",\"home\":").append(BuiltInPartitioner.partitionForKey(key, partitions));
    }
    byte[] value = record.value();
    if (value != null) {
      text.append(",\"sha256\":\"").append(HexFormat.of().formatHex(sha256.digest(value)));
      text.append("\",\"size\":").append(value.length);
      if (withValue) text.append(",\"value\":\"").append(base64(value)).append('"');
    }
    text.append(",\"headers\":{");
    boolean isFirst = true;
    for (Header header : record.headers()) {
      if (!headerNames.contains(header.key()) || header.value() == null) continue;
      if (!isFirst) text.append(',');
      isFirst = false;
      text.append('"').append(header.key()).append("\":\"").append(base64(header.value())).append('"');
    }
    line(text.append("}}").toString());
  }

  private String strip(String topic) {
    return topic.startsWith(prefix) ? topic.substring(prefix.length()) : topic;
  }

  private static String base64(byte[] bytes) {
    return new String(Base64.getEncoder().encode(bytes), StandardCharsets.ISO_8859_1);
  }

  private void line(String text) throws IOException {
    out.write(text);
    out.write('\n');
  }
}
