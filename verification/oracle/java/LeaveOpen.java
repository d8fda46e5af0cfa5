import java.util.List;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * For a test: makes a topic of two partitions, and writes three records in a transaction that it commits, two in one
 * that it aborts, and one in a transaction that it leaves open. Arguments: brokers and topic.
 */
public final class LeaveOpen {
  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    String topic = args[1];
    try (Admin admin = Admin.create(settings)) {
      admin.createTopics(List.of(new NewTopic(topic, Optional.of(2), Optional.empty()))).all().get();
    }
    settings.put("transactional.id", topic);
    settings.put("transaction.timeout.ms", 600_000);
    var text = new StringSerializer();
    var producer = new KafkaProducer<>(settings, text, text);
    producer.initTransactions();
    producer.beginTransaction();
    for (String key : List.of("cxone|a", "cxone|b", "cxone|c"))
      producer.send(new ProducerRecord<>(topic, key, "value of " + key));
    producer.commitTransaction();
    producer.beginTransaction();
    producer.send(new ProducerRecord<>(topic, "cxone|d", "aborted")).get();
    producer.send(new ProducerRecord<>(topic, "cxone|e", "aborted")).get();
    producer.abortTransaction();
    producer.beginTransaction();
    producer.send(new ProducerRecord<>(topic, "cxone|f", "open")).get();
    // As if it were killed: a producer that is closed aborts.
    Runtime.getRuntime().halt(0);
  }
}
